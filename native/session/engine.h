// The loaded model: the image-prefix cache and one engine thread that runs the programs. The only header that
// native/addon needs.
//
// Every request brings the full prompt and finds for itself what can be reused, so there are no sessions down here.
// An answer is one request: begin → (plan reported) → encode the images it lists → generate → done. From the moment
// the plan is reported everything it counts on is pinned or reserved, so nothing can be evicted under it.
// Callbacks run on the engine thread, one at a time, without locks held: they must not block and must not throw; they
// may call any function here but close().
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cache/tree_listing.h"
#include "graph/backend.h"
#include "session/answer.h"
#include "session/counters.h"
#include "session/model_options.h"
#include "session/named_input.h"

namespace afterimage {

class Engine {
 public:
  // Loads: minutes for a large model, so not on a thread that must not block. An exception thrown by `progress`
  // (done_bytes, total_bytes) ends the load and is passed on. Throws INVALID_CHECKPOINT, INVALID_PROGRAM, IO_FAILED,
  // OUT_OF_MEMORY, INVALID_ARGUMENT. A disk folder that cannot be used is reported in stats(), never thrown.
  Engine(EngineOptions options, ModelSource source, std::unique_ptr<Backend> backend,
         const std::function<void(size_t, size_t)>& progress);
  ~Engine();  // closes

  // All functions may be called from any thread. After close() they throw CLOSED.
  // Starts a request over the full prompt. Throws INVALID_ARGUMENT (malformed prompt or choices).
  // Then one of: on_plan, once its memory is reserved (waits for other requests where it fits only after them);
  // on_error with OUT_OF_MEMORY (can never fit; says what to change), CONTEXT_FULL, CANCELLED or CLOSED.
  RequestId begin(Prompt prompt, const RequestOptions& options, OnPlan on_plan, OnError on_error);
  // Runs the vision program for an image that the plan listed. One encode or generate of a request at a time.
  // Where another request has encoded the same key meanwhile, the inputs are dropped and its features are used.
  void encode(RequestId request, const ImageKey& key, std::vector<NamedInput> inputs, OnEncoded on_encoded,
              OnError on_error);
  // Throws INVALID_ARGUMENT that names a sampling option out of range.
  // Prefills what is not reused, then samples up to max_tokens or weighs the choices; ends the request. A cancelled
  // generate ends with on_done, StopReason::cancelled and the tokens so far.
  void generate(RequestId request, GenerateOptions options, GenerateCallbacks callbacks);
  // Ends the answer after the token in progress (stop string found): StopReason::finished. Unknown ids are ignored.
  void finish(RequestId request);
  // Ends the request wherever it is, within one layer's time; also gives back a plan that is not wanted any more.
  // Complete chunks stay in the cache. Unknown ids are ignored.
  void cancel(RequestId request);

  Counters stats() const;
  std::string backend_identity() const;
  std::string weights_digest() const;
  // Drops everything that is not in use from memory (KV and features). Files on disk stay.
  void clear_memory();
  // What the cache holds now, at most `most` branches of it, the largest first. Waits for the engine thread to pause,
  // then reads the disk folder: for a thread that may block.
  TreeListing tree(size_t most);
  // Waits until every staged prefix is written or skipped.
  void flush_disk();
  // Ends all requests (cancelled or CLOSED), joins the engine thread, frees everything. Idempotent. Not from a
  // callback.
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace afterimage
