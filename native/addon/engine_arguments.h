// JavaScript values of engine calls as the plain structs of session/engine.h, and results on the way back.
#pragma once
#include <napi.h>

#include "addon/js_queue.h"
#include "session/engine.h"
#include "session/memory_need.h"

namespace afterimage::addon {

struct EngineArguments {
  EngineOptions options;
  ModelSource source;
  std::string backend;
  int threads = 0;
};

EngineArguments engine_arguments_of(const Napi::Value& value);
std::vector<ImageShape> image_shapes_of(const Napi::Value& value);
Prompt prompt_of(const Napi::Value& value);
RequestOptions request_options_of(const Napi::Value& value);
ImageKey image_key_of(const Napi::Value& value, const std::string& name);
// The arrays stay JavaScript's; `queue` lets them go.
std::vector<NamedInput> named_inputs_of(const Napi::Value& value, const std::shared_ptr<JsQueue>& queue);
// `tokens`: of the engine's vocabulary, null where it has not been given; answers by a grammar need it.
GenerateOptions generate_options_of(const Napi::Value& value, const std::shared_ptr<const TokenTrie>& tokens);

Napi::Value to_js(Napi::Env env, const PlanReport& report);
Napi::Value to_js(Napi::Env env, const GenerateResult& result);
Napi::Value to_js(Napi::Env env, const Counters& counters);
Napi::Value to_js(Napi::Env env, const TreeListing& listing);
Napi::Value to_js(Napi::Env env, const MemoryNeed& need);
const char* stage_name(Stage stage) noexcept;

}  // namespace afterimage::addon
