#include "addon/js_queue.h"

#include "addon/errors.h"

namespace afterimage::addon {

std::shared_ptr<JsQueue> JsQueue::create(Napi::Env env, const char* name) {
  auto queue = std::make_shared<JsQueue>();
  auto noop = Napi::Function::New(env, [](const Napi::CallbackInfo&) {});
  // The context keeps the queue alive until the environment has dropped the function.
  auto* owner = new std::shared_ptr<JsQueue>(queue);
  queue->function_ = Napi::ThreadSafeFunction::New(env, noop, name, 0, 1, [owner](Napi::Env) {
    {
      std::lock_guard lock((*owner)->mutex_);
      (*owner)->closed_ = true;
    }
    delete owner;
  });
  queue->function_.Unref(env);
  return queue;
}

void JsQueue::post(Closure closure) {
  std::lock_guard lock(mutex_);
  if (closed_) return;
  auto* call = new Closure(std::move(closure));
  const napi_status status = function_.NonBlockingCall(call, [](Napi::Env env, Napi::Function, Closure* run) {
    std::unique_ptr<Closure> owned(run);
    if (static_cast<napi_env>(env) == nullptr) return;
    Napi::HandleScope scope(env);
    guarded(env, [&] { (*owned)(env); });
  });
  if (status != napi_ok) delete call;
}

void JsQueue::release() {
  std::lock_guard lock(mutex_);
  if (closed_) return;
  closed_ = true;
  function_.Release();
}

void JsQueue::begin(Napi::Env env) {
  if (pending_++ == 0) function_.Ref(env);
}

void JsQueue::end(Napi::Env env) {
  if (--pending_ == 0) function_.Unref(env);
}

Deferred::Deferred(Napi::Env env, std::shared_ptr<JsQueue> queue)
    : queue_(std::move(queue)), deferred_(std::make_shared<Napi::Promise::Deferred>(env)) {
  queue_->begin(env);
}

void Deferred::resolve(std::function<Napi::Value(Napi::Env)> value) const {
  queue_->post([queue = queue_, deferred = deferred_, value = std::move(value)](Napi::Env env) {
    queue->end(env);
    try {
      deferred->Resolve(value(env));
    } catch (...) {
      deferred->Reject(to_js_error(env, std::current_exception()));
    }
  });
}

void Deferred::reject(std::exception_ptr error) const {
  queue_->post([queue = queue_, deferred = deferred_, error](Napi::Env env) {
    queue->end(env);
    deferred->Reject(to_js_error(env, error));
  });
}

}  // namespace afterimage::addon
