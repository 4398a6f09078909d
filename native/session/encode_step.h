// One image through the vision encoder. It takes seconds, so the run pauses for the others.
#pragma once
#include <functional>
#include <map>
#include <string>

#include "session/admission.h"
#include "session/engine_state.h"
#include "session/image_tiles.h"

namespace afterimage {

class EncodeStep {
 public:
  // Thrown by `on_pause`: a low-priority image is given up and starts again when nothing else has work.
  struct Preempted {};

  explicit EncodeStep(EngineState& state)
      : state_(state),
        decoder_scratch_(
            state.model.decoder->predict_bytes(state.options.chunk_rows + kMostAnswers, 1 + kMostAnswers)) {}

  // Checks the job and lets the request take turns.
  void accept(const RequestPtr& request, EncodeJob job);
  void run(const RequestPtr& request);

  // Whether a full chunk's scratch fits the budget beside the encoder's.
  bool rows_fit_beside() const;
  // Called in the middle of an image.
  std::function<void(const RequestPtr& encoding)> on_pause;

 private:
  FeatureCache::Held run_encoder(const RequestPtr& request, const EncodeJob& job, const ImageSpan& span);
  ImageFeatures encode(const RequestPtr& request, const std::vector<NamedInput>& inputs);
  ImageFeatures encode_unseen(const RequestPtr& request, const std::vector<NamedInput>& inputs,
                              const ImageTiles& tiles);
  void pause(const RequestPtr& request);
  void make_scratch_room(const std::map<std::string, int64_t>& symbols);

  EngineState& state_;
  const size_t decoder_scratch_;  // of a full chunk and answers beside it
  double paused_ms_ = 0;          // of the image in the encoder: time given to others
};

}  // namespace afterimage
