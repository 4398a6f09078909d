// The way back from native threads to JavaScript: closures that run on the thread that created the queue. The event
// loop is kept alive only while something is pending.
#pragma once
#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>

namespace afterimage::addon {

class JsQueue : public std::enable_shared_from_this<JsQueue> {
 public:
  using Closure = std::function<void(Napi::Env)>;

  static std::shared_ptr<JsQueue> create(Napi::Env env, const char* name);
  // From any thread. After the environment has gone the closure is dropped: nobody is left to hear it.
  void post(Closure closure);
  // JavaScript thread only: one more or one fewer operation that must keep the event loop alive.
  void begin(Napi::Env env);
  void end(Napi::Env env);
  // JavaScript thread: nothing will be posted any more once what is pending has been delivered.
  void release();

 private:
  std::mutex mutex_;  // guards closed_ and, with it, the life of function_
  bool closed_ = false;
  Napi::ThreadSafeFunction function_;
  int pending_ = 0;
};

// A promise settled from a native thread. Exactly one of resolve and reject takes effect.
class Deferred {
 public:
  Deferred(Napi::Env env, std::shared_ptr<JsQueue> queue);
  Napi::Promise promise() const { return deferred_->Promise(); }
  // From any thread; `value` is called on the JavaScript thread.
  void resolve(std::function<Napi::Value(Napi::Env)> value) const;
  // Takes afterimage::Error (code kept) or any other exception (code BACKEND_FAILED).
  void reject(std::exception_ptr error) const;

 private:
  std::shared_ptr<JsQueue> queue_;
  std::shared_ptr<Napi::Promise::Deferred> deferred_;
};

}  // namespace afterimage::addon
