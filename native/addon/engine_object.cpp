#include "addon/engine_object.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "addon/arguments.h"
#include "addon/backend_choice.h"
#include "addon/engine_arguments.h"
#include "addon/errors.h"
#include "addon/listener.h"
#include "addon/worker.h"

namespace afterimage::addon {

// What native threads touch. The worker only loads, flushes and closes; the engine has its own thread.
struct EngineObject::Core {
  EngineArguments arguments;
  std::atomic<bool> closing{false};
  std::shared_ptr<Engine> engine;  // set on the worker, then `ready`; read on the JavaScript thread once that is true
  std::atomic<bool> ready{false};
  bool loading = false;  // the JavaScript thread's
  std::mutex vocabulary_mutex;
  std::shared_ptr<const TokenTrie> vocabulary;
  Worker worker;

  std::shared_ptr<const TokenTrie> tokens() {
    std::lock_guard lock(vocabulary_mutex);
    return vocabulary;
  }
  ~Core() {
    closing = true;
    worker.stop();
  }
  Engine& loaded() const {
    if (closing) throw Error("CLOSED", "The engine is closed.");
    if (!ready) throw Error("INVALID_ARGUMENT", "The engine is not loaded; await load() first.");
    return *engine;
  }
};

namespace {

std::exception_ptr pointer_to(const Error& error) { return std::make_exception_ptr(error); }

Napi::Value number(Napi::Env env, double value) { return Napi::Number::New(env, value); }

}  // namespace

void EngineObject::define(Napi::Env env, Napi::Object exports) {
  using E = EngineObject;
  exports.Set(
      "Engine",
      DefineClass(
          env, "Engine",
          {InstanceMethod("load", &E::entry<&E::load>), InstanceMethod("begin", &E::entry<&E::begin>),
           InstanceMethod("encode", &E::entry<&E::encode>), InstanceMethod("generate", &E::entry<&E::generate>),
           InstanceMethod("setVocabulary", &E::entry<&E::set_vocabulary>),
           InstanceMethod("finish", &E::entry<&E::finish>), InstanceMethod("cancel", &E::entry<&E::cancel>),
           InstanceMethod("stats", &E::entry<&E::stats>), InstanceMethod("tree", &E::entry<&E::tree>),
           InstanceMethod("clearMemory", &E::entry<&E::clear_memory>),
           InstanceMethod("flushDisk", &E::entry<&E::flush_disk>), InstanceMethod("close", &E::entry<&E::close>)}));
}

EngineObject::EngineObject(const Napi::CallbackInfo& info) : ObjectWrap(info), core_(std::make_shared<Core>()) {
  core_->arguments = guarded(info.Env(), [&] { return engine_arguments_of(info[0]); });
  queue_ = JsQueue::create(info.Env(), "afterimage engine");
}

// Joins the native threads first, so that the last word of each is posted before the queue closes.
EngineObject::~EngineObject() {
  core_.reset();
  if (queue_) queue_->release();
}

Napi::Value EngineObject::load(const Napi::CallbackInfo& info) {
  const Listener progress(queue_, function_of(info[0], "onProgress"));
  const Deferred deferred(info.Env(), queue_);
  if (std::exchange(core_->loading, true)) {
    progress.release();
    deferred.reject(pointer_to(Error("INVALID_ARGUMENT", "The engine is loaded or being loaded already.")));
    return deferred.promise();
  }
  core_->worker.post([core = core_.get(), progress, deferred] {
    try {
      if (core->closing) throw Error("CLOSED", "The engine was closed before it was loaded.");
      const EngineArguments& a = core->arguments;
      core->engine = std::make_shared<Engine>(
          a.options, a.source, make_backend(a.backend, a.threads, a.options.precision), [&](size_t done, size_t total) {
            if (core->closing) throw Error("CANCELLED", "The engine was closed.");
            progress.call([done, total](Napi::Env env) {
              return std::vector<napi_value>{number(env, double(done)), number(env, double(total))};
            });
          });
      core->ready = true;
      const std::string digest = core->engine->weights_digest(), backend = core->engine->backend_identity();
      const double bytes = static_cast<double>(core->engine->stats().weight_bytes);
      deferred.resolve([digest, backend, bytes](Napi::Env env) -> Napi::Value {
        Napi::Object result = Napi::Object::New(env);
        result.Set("digest", digest);
        result.Set("backend", backend);
        result.Set("weightBytes", bytes);
        return result;
      });
    } catch (...) {
      deferred.reject(std::current_exception());
    }
    progress.release();
  });
  return deferred.promise();
}

Napi::Value EngineObject::begin(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Prompt prompt = prompt_of(info[0]);
  const RequestOptions options = request_options_of(info[1]);
  Engine& engine = core_->loaded();
  const Deferred plan(env, queue_);
  RequestId request = 0;
  try {
    request = engine.begin(
        std::move(prompt), options,
        [plan](const PlanReport& report) { plan.resolve([report](Napi::Env e) { return to_js(e, report); }); },
        [plan](const Error& error) { plan.reject(pointer_to(error)); });
  } catch (...) {
    plan.reject(std::current_exception());
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("request", double(request));
  result.Set("plan", plan.promise());
  return result;
}

Napi::Value EngineObject::encode(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto request = static_cast<RequestId>(integer_of(info[0], "request"));
  const ImageKey key = image_key_of(info[1], "key");
  std::vector<NamedInput> inputs = named_inputs_of(info[2], queue_);
  Engine& engine = core_->loaded();
  const Deferred deferred(env, queue_);
  try {
    engine.encode(
        request, key, std::move(inputs), [deferred] { deferred.resolve([](Napi::Env e) { return e.Undefined(); }); },
        [deferred](const Error& error) { deferred.reject(pointer_to(error)); });
  } catch (...) {
    deferred.reject(std::current_exception());
  }
  return deferred.promise();
}

Napi::Value EngineObject::generate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto request = static_cast<RequestId>(integer_of(info[0], "request"));
  GenerateOptions options = generate_options_of(info[1], core_->tokens());
  const auto listener = std::make_shared<AnswerListener>(Listener(queue_, function_of(info[2], "onTokens")),
                                                         Listener(queue_, function_of(info[3], "onProgress")));
  Engine& engine = core_->loaded();
  const Deferred deferred(env, queue_);
  GenerateCallbacks callbacks;
  callbacks.on_token = [listener](int32_t id) { listener->token(id); };
  callbacks.on_progress = [listener](Stage stage, int64_t done, int64_t total) {
    listener->progress(stage, done, total);
  };
  callbacks.on_done = [deferred, listener](GenerateResult&& result) {
    listener->end();
    auto kept = std::make_shared<GenerateResult>(std::move(result));
    deferred.resolve([kept](Napi::Env e) { return to_js(e, *kept); });
  };
  callbacks.on_error = [deferred, listener](const Error& error) {
    listener->end();
    deferred.reject(pointer_to(error));
  };
  try {
    engine.generate(request, std::move(options), std::move(callbacks));
  } catch (...) {
    listener->end();
    deferred.reject(std::current_exception());
  }
  return deferred.promise();
}

Napi::Value EngineObject::set_vocabulary(const Napi::CallbackInfo& info) {
  auto bytes = std::make_shared<std::vector<uint8_t>>(bytes_of(info[0], "bytes"));
  auto ends = std::make_shared<std::vector<int32_t>>(int32s_of(info[1], "ends"));
  core_->loaded();
  const Deferred deferred(info.Env(), queue_);
  core_->worker.post([core = core_.get(), bytes, ends, deferred] {
    try {
      auto tokens = std::make_shared<const TokenTrie>(std::move(*bytes), std::move(*ends));
      std::lock_guard lock(core->vocabulary_mutex);
      core->vocabulary = std::move(tokens);
      deferred.resolve([](Napi::Env env) { return env.Undefined(); });
    } catch (...) {
      deferred.reject(std::current_exception());
    }
  });
  return deferred.promise();
}

Napi::Value EngineObject::finish(const Napi::CallbackInfo& info) {
  const auto request = static_cast<RequestId>(integer_of(info[0], "request"));
  if (!core_->closing) core_->loaded().finish(request);
  return info.Env().Undefined();
}

Napi::Value EngineObject::cancel(const Napi::CallbackInfo& info) {
  const auto request = static_cast<RequestId>(integer_of(info[0], "request"));
  if (!core_->closing) core_->loaded().cancel(request);
  return info.Env().Undefined();
}

Napi::Value EngineObject::stats(const Napi::CallbackInfo& info) { return to_js(info.Env(), core_->loaded().stats()); }

Napi::Value EngineObject::tree(const Napi::CallbackInfo& info) {
  const auto most = static_cast<size_t>(std::max<int64_t>(0, integer_of(info[0], "most")));
  core_->loaded();
  const Deferred deferred(info.Env(), queue_);
  core_->worker.post([engine = core_->engine, most, deferred] {
    try {
      const auto listing = std::make_shared<const TreeListing>(engine->tree(most));
      deferred.resolve([listing](Napi::Env env) { return to_js(env, *listing); });
    } catch (...) {
      deferred.reject(std::current_exception());
    }
  });
  return deferred.promise();
}

Napi::Value EngineObject::clear_memory(const Napi::CallbackInfo& info) {
  core_->loaded().clear_memory();
  return info.Env().Undefined();
}

Napi::Value EngineObject::flush_disk(const Napi::CallbackInfo& info) {
  core_->loaded();
  const Deferred deferred(info.Env(), queue_);
  core_->worker.post([engine = core_->engine, deferred] {
    try {
      engine->flush_disk();
      deferred.resolve([](Napi::Env env) { return env.Undefined(); });
    } catch (...) {
      deferred.reject(std::current_exception());
    }
  });
  return deferred.promise();
}

Napi::Value EngineObject::close(const Napi::CallbackInfo& info) {
  const Deferred deferred(info.Env(), queue_);
  core_->closing = true;
  core_->worker.post([core = core_.get(), deferred] {
    if (core->engine) core->engine->close();
    deferred.resolve([](Napi::Env env) { return env.Undefined(); });
  });
  return deferred.promise();
}

}  // namespace afterimage::addon
