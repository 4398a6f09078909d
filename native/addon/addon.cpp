// What the addon exports.
#include <napi.h>

#include "addon/arguments.h"
#include "addon/backend_choice.h"
#include "addon/engine_arguments.h"
#include "addon/engine_object.h"
#include "addon/errors.h"
#include "addon/lines.h"
#include "addon/runner.h"
#include "cache/disk_folder.h"

namespace afterimage::addon {

// (name, threads) → identity, such as "cpu avx512-vnni-bf16, 2 threads"; throws where there is no such backend.
static Napi::Value backend_identity(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::string name = string_of(info[0], "backend");
    const int threads = static_cast<int>(integer_of(info[1], "threads"));
    return Napi::String::New(info.Env(), make_backend(name, threads, Precision::exact)->identity());
  });
}

// (compileOnly, (JSON text so far) → void) → JSON text
static Napi::Value metal_report(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const Napi::Function reached = function_of(info[1], "reached");
    return Napi::String::New(env, metal_report_json(boolean_of(info[0], "compileOnly"), [&](const std::string& json) {
                               const Napi::HandleScope scope(env);
                               reached.Call({Napi::String::New(env, json)});
                             }));
  });
}

// (options of an Engine, [{symbols, chunk}]) → {weightBytes, blockBytes, stateBytes, images: [{visionBytes,
// decoderBytes}]}
static Napi::Value predict(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const EngineArguments a = engine_arguments_of(info[0]);
    const auto bytes = [&](const WeightSource& described, uint32_t uses) {
      return weight_bytes(a.backend, described, uses, a.options.precision);
    };
    return to_js(info.Env(), predict_memory(a.options, a.source, bytes, image_shapes_of(info[1])));
  });
}

// (folder) → [{file, bytes, usedAt, tokens, identity, label}]
static Napi::Value list_disk(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    Napi::Array entries = Napi::Array::New(env);
    for (const DiskEntry& entry : list_disk_cache(string_of(info[0], "folder"))) {
      Napi::Object object = Napi::Object::New(env);
      object.Set("file", entry.file);
      object.Set("bytes", static_cast<double>(entry.bytes));
      object.Set("usedAt", static_cast<double>(entry.used_at));
      object.Set("tokens", entry.tokens);
      object.Set("identity", entry.identity);
      object.Set("label", entry.label);
      entries.Set(entries.Length(), object);
    }
    return entries;
  });
}

// (folder) → number of files removed
static Napi::Value clear_disk(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const size_t removed = clear_disk_cache(string_of(info[0], "folder"));
    return Napi::Number::New(info.Env(), static_cast<double>(removed));
  });
}

static Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  Runner::define(env, exports);
  EngineObject::define(env, exports);
  exports.Set("backendIdentity", Napi::Function::New(env, backend_identity));
  exports.Set("listDiskCache", Napi::Function::New(env, list_disk));
  exports.Set("clearDiskCache", Napi::Function::New(env, clear_disk));
  exports.Set("findComponents", Napi::Function::New(env, find_components));
  exports.Set("cutLines", Napi::Function::New(env, cut_lines));
  exports.Set("predictMemory", Napi::Function::New(env, predict));
  exports.Set("metalReport", Napi::Function::New(env, metal_report));
  return exports;
}

NODE_API_MODULE(afterimage, initialize)

}  // namespace afterimage::addon
