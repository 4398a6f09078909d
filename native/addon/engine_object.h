// The engine as a JavaScript object: every entry point checks its arguments, hands over to native threads and returns
// at once. Names become camelCase here.
#pragma once
#include <napi.h>

#include <memory>

#include "addon/errors.h"
#include "addon/js_queue.h"

namespace afterimage::addon {

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  explicit EngineObject(const Napi::CallbackInfo& info);
  ~EngineObject() override;

 private:
  struct Core;

  template <Napi::Value (EngineObject::*method)(const Napi::CallbackInfo&)>
  Napi::Value entry(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return (this->*method)(info); });
  }
  Napi::Value load(const Napi::CallbackInfo& info);      // (onProgress) → Promise<{digest, backend, weightBytes}>
  Napi::Value begin(const Napi::CallbackInfo& info);     // (prompt, options) → {request, plan: Promise}
  Napi::Value encode(const Napi::CallbackInfo& info);    // (request, key, inputs) → Promise
  Napi::Value generate(const Napi::CallbackInfo& info);  // (request, options, onTokens, onProgress) → Promise
  Napi::Value set_vocabulary(const Napi::CallbackInfo& info);
  Napi::Value finish(const Napi::CallbackInfo& info);        // (request)
  Napi::Value cancel(const Napi::CallbackInfo& info);        // (request)
  Napi::Value stats(const Napi::CallbackInfo& info);         // () → counters
  Napi::Value tree(const Napi::CallbackInfo& info);          // (most) → Promise<{branches, more}>
  Napi::Value clear_memory(const Napi::CallbackInfo& info);  // ()
  Napi::Value flush_disk(const Napi::CallbackInfo& info);    // () → Promise
  Napi::Value close(const Napi::CallbackInfo& info);         // () → Promise; idempotent

  std::shared_ptr<JsQueue> queue_;
  std::shared_ptr<Core> core_;
};

}  // namespace afterimage::addon
