// From begin to the plan: what disk has, whether the budgets allow the request, what is reused. A request waits here
// until everything it needs can be pinned or reserved.
#pragma once
#include <deque>
#include <functional>
#include <vector>

#include "session/engine_state.h"

namespace afterimage {

class WaitingRoom {
 public:
  // `post` hands a function to the engine thread from another thread.
  WaitingRoom(EngineState& state, std::function<void(std::function<void()>)> post)
      : state_(state), post_(std::move(post)) {}

  void enter(const RequestPtr& request, Sequence sequence);
  void leave(const RequestPtr& request) { std::erase(waiting_, request); }
  void memory_freed() noexcept { memory_freed_ = true; }
  // Admits whom the memory allows that was given back since the last time.
  void admit_next();
  size_t size() const noexcept { return waiting_.size(); }

 private:
  int32_t clamp_answer(const Sequence& sequence, const Request& request) const;
  void wait_for_memory(const RequestPtr& request);
  void admit_waiting();
  bool admit(const RequestPtr& request);
  void report_plan(const RequestPtr& request, const std::vector<const ImageSpan*>& images);

  EngineState& state_;
  std::function<void(std::function<void()>)> post_;
  std::deque<RequestPtr> waiting_;  // for memory
  bool memory_freed_ = false;
};

}  // namespace afterimage
