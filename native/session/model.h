// A loaded checkpoint: the two programs ready to run, and the names under which their results may be stored.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "cache/kv_cache.h"
#include "cache/prefix_file.h"
#include "session/decoder.h"
#include "session/model_options.h"
#include "session/mtp.h"
#include "session/vision.h"
#include "weights/checkpoint.h"

namespace afterimage {

class Model {
 public:
  Model(const EngineOptions& options, ModelSource source, Backend& backend,
        const std::function<void(size_t, size_t)>& progress);

  const ModelTraits traits;
  std::string digest;  // of the weights
  std::unique_ptr<KvCache> kv;
  std::unique_ptr<Decoder> decoder;
  std::unique_ptr<Mtp> mtp;        // null: no head for guesses
  std::unique_ptr<Vision> vision;  // null: text only
  PrefixFormat format;

  // After a run, before anybody sees what it computed: throws MODEL_CHANGED where the weights it read may be others.
  void require_intact() const { checkpoint_->require_intact(); }
  size_t weight_bytes() const noexcept;
  size_t scratch_bytes() const noexcept;

 private:
  std::unique_ptr<Checkpoint> checkpoint_;
};

}  // namespace afterimage
