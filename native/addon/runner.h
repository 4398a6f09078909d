// One program on a private backend, without cache or scheduler: what golden tests and `bench` run.
#pragma once
#include <napi.h>

#include <atomic>
#include <map>
#include <memory>

#include "addon/errors.h"
#include "addon/js_queue.h"
#include "addon/worker.h"
#include "graph/executor.h"

namespace afterimage::addon {

class Runner : public Napi::ObjectWrap<Runner> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  explicit Runner(const Napi::CallbackInfo& info);
  ~Runner() override;

 private:
  struct Timeline {
    std::vector<std::unique_ptr<Memory>> blocks;
    std::unique_ptr<Memory> state;
  };
  struct Core;
  struct Job;

  template <Napi::Value (Runner::*method)(const Napi::CallbackInfo&)>
  Napi::Value entry(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return (this->*method)(info); });
  }
  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value reset(const Napi::CallbackInfo& info);
  Napi::Value predict_bytes(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  std::shared_ptr<JsQueue> queue_;
  std::shared_ptr<Core> core_;
};

}  // namespace afterimage::addon
