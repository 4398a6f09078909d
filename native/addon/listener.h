// JavaScript functions that native threads call.
#pragma once
#include <napi.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "addon/js_queue.h"
#include "session/answer.h"

namespace afterimage::addon {

// One function. Its reference is dropped on the JavaScript thread by release(); if the environment goes first, it goes
// with the environment.
class Listener {
 public:
  Listener(std::shared_ptr<JsQueue> queue, const Napi::Function& function)
      : queue_(std::move(queue)), function_(std::make_shared<Napi::FunctionReference>(Napi::Persistent(function))) {
    function_->SuppressDestruct();
  }
  template <class Arguments>
  void call(Arguments arguments) const {
    queue_->post([function = function_, arguments = std::move(arguments)](Napi::Env env) {
      if (!function->IsEmpty()) function->Call(arguments(env));
    });
  }
  void release() const {
    queue_->post([function = function_](Napi::Env) { function->Reset(); });
  }

 private:
  std::shared_ptr<JsQueue> queue_;
  std::shared_ptr<Napi::FunctionReference> function_;
};

// How an answer comes along. To be told takes a core from the runs, so what comes soon after the last telling waits for
// the run after it, or for the end. Of the engine's thread.
class AnswerListener {
 public:
  // tokens(ids: Int32Array), progress(stage, done, total)
  AnswerListener(Listener tokens, Listener progress) : tokens_(std::move(tokens)), progress_(std::move(progress)) {}

  void token(int32_t id) { waiting_.push_back(id); }
  void progress(Stage stage, int64_t done, int64_t total);
  // From any thread, where nothing comes any more.
  void end();

 private:
  using Clock = std::chrono::steady_clock;
  // Fifty times a second are as good as at once.
  static constexpr auto kPace = std::chrono::milliseconds(20);
  struct Progress {
    Stage stage;
    int64_t done, total;
  };
  void tell();

  const Listener tokens_, progress_;
  std::vector<int32_t> waiting_;
  std::optional<Progress> reached_;
  Clock::time_point told_ = Clock::time_point::min();
};

}  // namespace afterimage::addon
