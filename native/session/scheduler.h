// Decides what the engine thread does next. Each step is one run: a decode row of every request that is answering, and
// beside them one prefill chunk; or one image through the vision encoder. Requests with chunks or images take turns;
// low-priority ones only while no other has work. An image takes seconds, so its run pauses for the others: they are
// admitted, cancelled and answered meanwhile. Everything here belongs to the engine thread.
#pragma once
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "cache/prefix_store.h"
#include "session/counters.h"
#include "session/model.h"
#include "session/request.h"

namespace afterimage {

class Scheduler {
 public:
  // `post` hands a function to the engine thread from another thread.
  Scheduler(const EngineOptions& options, Model& model, Interrupt& interrupt,
            std::function<void(std::function<void()>)> post);

  void begin(RequestPtr request, Sequence sequence);
  void encode(const RequestPtr& request, EncodeJob job);
  void generate(const RequestPtr& request, GenerateOptions options, GenerateCallbacks callbacks);
  // Does one thing; false where there is nothing to do.
  bool step();
  void clear_memory();
  void fail_all(const Error& error);
  // Ends every request with this error, and stops the disk tier.
  void close(const Error& error);

  DiskTier& disk() noexcept { return disk_; }
  Counters counters() const;
  // Called for each request that ended.
  std::function<void(RequestId)> on_ended;
  // Called in the middle of an image: does what was asked of the engine since.
  std::function<void()> on_pause;

 private:
  using Lane = std::deque<RequestPtr>;

  // scheduler_admission.cpp: from begin to the plan.
  void wait_for_memory(const RequestPtr& request);
  void admit_waiting();
  bool admit(const RequestPtr& request);
  void report_plan(const RequestPtr& request, const std::vector<const ImageSpan*>& images);
  int32_t clamp_answer(const Sequence& sequence, int32_t max_tokens) const;

  // scheduler_steps.cpp: encoding and running rows.
  void encode_image(const RequestPtr& request);
  FeatureCache::Held run_encoder(const RequestPtr& request, const EncodeJob& job, const ImageSpan& span);
  void pause_for_others(const RequestPtr& encoding);
  bool rows_fit_beside_encoder() const;
  void make_scratch_room(const std::map<std::string, int64_t>& symbols);
  // The requests that are answering, and the next chunk of one that is not there yet.
  void run_rows(std::vector<RequestPtr> requests, const RequestPtr& prefilling);
  enum class Run : uint8_t { done, cancelled, failed };
  Run run_parts(const std::vector<RequestPtr>& wanted);
  int32_t next_end(const Request& request) const;
  void account(const std::vector<RequestPtr>& requests, const std::vector<DecoderRows>& parts, double spent);
  void take_results(const std::vector<RequestPtr>& requests, const std::vector<DecoderRows>& parts,
                    const HostTensor& logits);
  void prefilled(const RequestPtr& request, int32_t end, std::span<const float> logits);
  void sample(const RequestPtr& request, std::span<const float> logits);
  void note_reuse(Request& request);

  // scheduler.cpp: lanes and endings.
  void reap_cancelled();
  RequestPtr take_turn(bool low);
  // Of the same priority, with a chunk to prefill.
  RequestPtr take_prefilling(bool low);
  bool anyone_answers(bool low) const;
  // The answers that go on in the next run, at most kMostAnswers of them by turns.
  std::vector<RequestPtr> take_answering(bool low);
  bool ready_to_generate(Request& request);
  void end(const RequestPtr& request, StopReason stop);
  void fail(const RequestPtr& request, const Error& error);
  void release(const RequestPtr& request);
  Lane& lane(const Request& request) noexcept { return turns_[request.options.low_priority ? 1 : 0]; }

  const EngineOptions options_;
  Model& model_;
  KvCache& kv_;
  FeatureCache features_;
  DiskTier disk_;
  PrefixStore store_;
  Interrupt& interrupt_;
  std::function<void(std::function<void()>)> post_;

  std::vector<RequestPtr> requests_;  // all that have not ended, in the order of begin
  std::deque<RequestPtr> waiting_;    // for memory
  Lane turns_[2];                     // normal, low: with an image to encode or a chunk to prefill
  RequestPtr encoding_;               // whose image is in the vision encoder now
  bool memory_changed_ = false;
  bool decode_next_ = false;      // an image was encoded: the answers in progress go on before the next one
  size_t first_answer_ = 0;       // where more than kMostAnswers are answered: whose turn it was
  double paused_ms_ = 0;          // of the image in the encoder: time given to others
  size_t feature_bytes_ = 0;      // promised to admitted requests
  const size_t decoder_scratch_;  // of a full chunk
  Counters counters_;
};

}  // namespace afterimage
