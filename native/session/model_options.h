// How a model is loaded and what it may use.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "cache/disk_tier.h"
#include "cache/prompt.h"
#include "graph/backend.h"
#include "weights/checkpoint.h"

namespace afterimage {

struct Budgets {
  size_t kv_bytes = size_t{2} << 30;  // KV blocks and state snapshots
  size_t feature_bytes = size_t{256} << 20;
  size_t scratch_bytes = size_t{2} << 30;  // of the program that runs; of both where an image pauses for others
};

struct ModelTraits {
  int32_t position_axes = 1;
  Visibility visibility = Visibility::causal;
  int32_t deepstack = 0;  // feature tensors beside `features`
  int64_t hidden = 0, vocab = 0, context = 0;
};

struct EngineOptions {
  Precision precision = Precision::exact;
  KvType kv_type = KvType::f16;
  Budgets budgets;
  DiskOptions disk;
  int32_t chunk_rows = 256;  // prefill rows of one run; an image that must stay whole may exceed it
  size_t pause_every = 16;   // operators of the vision encoder between two looks at other requests
};

struct ModelSource {
  std::vector<std::string> files;  // safetensors
  FileHeaders headers;             // for those whose own header is not read
  std::string vision_json;         // empty: text only
  std::string decoder_json;
  std::string mtp_json;  // the decoder's own head for guesses (mtp.h); empty: none
  ModelTraits traits;
};

}  // namespace afterimage
