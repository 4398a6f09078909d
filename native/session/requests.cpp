#include "session/requests.h"

namespace afterimage {

void Requests::end(const RequestPtr& request, StopReason stop) {
  // A lone answer that was cancelled in the middle of a run has lost its state; see RowsStep::prepare().
  if (request->state == Request::State::prefilling || stop != StopReason::cancelled) request->timeline->snapshot();
  if (request->result.tokens.size() > 0 || request->state == Request::State::weighing)
    request->result.decode_ms = milliseconds_since(request->decode_start);
  request->result.stop = stop;
  request->result.cache = request->plan.cache;
  release(request);
  request->callbacks.on_done(std::move(request->result));
}

void Requests::fail(const RequestPtr& request, const Error& error) {
  const Request::State state = request->state;
  const bool generating = request->generating();
  release(request);
  if (state == Request::State::looking_up || state == Request::State::waiting) request->on_error(error);
  if (state == Request::State::encoding) request->encode_job.on_error(error);
  if (generating) request->callbacks.on_error(error);
}

void Requests::fail_all(const Error& error) {
  for (const RequestPtr& request : std::vector<RequestPtr>(requests_)) fail(request, error);
}

void Requests::end_cancelled(const RequestPtr& running) {
  for (const RequestPtr& request : std::vector<RequestPtr>(requests_)) {
    if (!request->cancelled || request == running) continue;
    if (request->generating()) {
      end(request, StopReason::cancelled);
    } else {
      fail(request, Error("CANCELLED", "The request was cancelled."));
    }
  }
}

void Requests::promise_features(Request& request, size_t bytes) {
  request.feature_bytes = bytes;
  promised_feature_bytes_ += bytes;
}

void Requests::give_back_features(Request& request) {
  request.features.clear();
  promised_feature_bytes_ -= request.feature_bytes;
  request.feature_bytes = 0;
  on_memory_freed();
}

void Requests::release(const RequestPtr& request) {
  if (request->generating()) request->timeline->publish_tail();
  request->state = Request::State::ended;
  request->choices.reset();
  request->timeline.reset();
  give_back_features(*request);
  std::erase(requests_, request);
  on_ended(request);
}

}  // namespace afterimage
