// The requests that have begun and not ended, and how each of them ends: everything that it holds is given back before
// its last callback; what it has computed stays in the prefix tree.
#pragma once
#include <functional>
#include <vector>

#include "session/request.h"

namespace afterimage {

class Requests {
 public:
  // In the order of begin.
  const std::vector<RequestPtr>& all() const noexcept { return requests_; }
  void add(const RequestPtr& request) { requests_.push_back(request); }

  // Ends a generation: on_done.
  void end(const RequestPtr& request, StopReason stop);
  // Ends it wherever it is: on_error of the call in progress, if there is one.
  void fail(const RequestPtr& request, const Error& error);
  void fail_all(const Error& error);
  // Ends those that were cancelled but `running`, whose run ends by itself.
  void end_cancelled(const RequestPtr& running);

  // Feature memory that is promised to a request while it needs features of its images.
  void promise_features(Request& request, size_t bytes);
  void give_back_features(Request& request);
  size_t promised_feature_bytes() const noexcept { return promised_feature_bytes_; }

  // More memory is free than before.
  std::function<void()> on_memory_freed;
  // The request holds nothing any more; its last callback comes next.
  std::function<void(const RequestPtr&)> on_ended;

 private:
  void release(const RequestPtr& request);

  std::vector<RequestPtr> requests_;
  size_t promised_feature_bytes_ = 0;
};

}  // namespace afterimage
