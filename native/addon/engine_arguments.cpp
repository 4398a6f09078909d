#include "addon/engine_arguments.h"

#include <algorithm>
#include <cstring>

#include "addon/arguments.h"
#include "addon/backend_choice.h"

namespace afterimage::addon {

namespace {

// Reads properties of one object; each accessor names the property in its error.
class Reader {
 public:
  Reader(const Napi::Value& value, std::string name) : object_(object_of(value, name)), name_(std::move(name)) {}
  Field at(const char* key) const { return field(object_, key, name_); }
  std::string text(const char* key) const { return string_of(at(key).value, at(key).name); }
  std::string text_or_none(const char* key) const { return at(key).has() ? text(key) : std::string(); }
  double number(const char* key) const { return number_of(at(key).value, at(key).name); }
  int64_t integer(const char* key) const { return integer_of(at(key).value, at(key).name); }
  int32_t small(const char* key) const {
    const int64_t whole = integer(key);
    if (whole < INT32_MIN || whole > INT32_MAX)
      expected(object_.Env(), "a whole number of 32 bits", at(key).name, at(key).value);
    return static_cast<int32_t>(whole);
  }
  bool boolean(const char* key) const { return boolean_of(at(key).value, at(key).name); }
  std::vector<int32_t> int32s(const char* key) const { return int32s_of(at(key).value, at(key).name); }
  size_t bytes(const char* key) const {
    const int64_t count = integer(key);
    if (count < 0) expected(object_.Env(), "a number of bytes of at least 0", at(key).name, at(key).value);
    return static_cast<size_t>(count);
  }
  Reader child(const char* key) const { return {at(key).value, at(key).name}; }
  const Napi::Object& object() const { return object_; }
  const std::string& name() const { return name_; }

 private:
  Napi::Object object_;
  std::string name_;
};

std::map<std::string, int64_t> counts_of(const Reader& reader) {
  std::map<std::string, int64_t> counts;
  const Napi::Array keys = reader.object().GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); i++) {
    const std::string key = keys.Get(i).As<Napi::String>();
    counts[key] = integer_of(reader.object().Get(key), reader.name() + "." + key);
  }
  return counts;
}

Visibility visibility_of(const std::string& name) {
  if (name == "causal") return Visibility::causal;
  if (name == "block") return Visibility::block;
  if (name == "prefix") return Visibility::prefix;
  throw Error("INVALID_ARGUMENT", "Expected causal, block or prefix for visibility but received \"" + name + "\".");
}

const char* source_name(CacheSource source) noexcept {
  switch (source) {
    case CacheSource::none:
      return "none";
    case CacheSource::features:
      return "features";
    case CacheSource::memory:
      return "memory";
    case CacheSource::disk:
      return "disk";
  }
  return "none";
}

const char* stop_name(StopReason stop) noexcept {
  switch (stop) {
    case StopReason::end:
      return "end";
    case StopReason::length:
      return "length";
    case StopReason::finished:
      return "finished";
    case StopReason::cancelled:
      return "cancelled";
  }
  return "end";
}

std::shared_ptr<Constraint> constraint_of(const Reader& reader, const std::shared_ptr<const TokenTrie>& tokens,
                                          const std::vector<int32_t>& ends) {
  if (!tokens) throw Error("INVALID_ARGUMENT", "Expected a vocabulary before a grammar; call setVocabulary() first.");
  const GrammarTables tables{reader.small("states"), reader.small("start"),  reader.int32s("ranges"),
                             reader.int32s("jumps"), reader.int32s("calls"), reader.int32s("repeats"),
                             reader.int32s("finals")};
  auto constraint = std::make_shared<Constraint>(tokens, std::make_shared<Grammar>(tables, *tokens), ends);
  for (int32_t token : reader.int32s("begun")) constraint->take(token);
  return constraint;
}

Napi::Object cache_to_js(Napi::Env env, const CacheReport& cache) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("imageTokens", cache.image_tokens);
  result.Set("imageTokensReused", cache.image_tokens_reused);
  result.Set("promptTokens", cache.prompt_tokens);
  result.Set("promptTokensReused", cache.prompt_tokens_reused);
  result.Set("tiles", cache.tiles);
  result.Set("tilesReused", cache.tiles_reused);
  result.Set("encodeMs", cache.encode_ms);
  result.Set("prefillMs", cache.prefill_ms);
  result.Set("source", source_name(cache.source));
  return result;
}

}  // namespace

EngineArguments engine_arguments_of(const Napi::Value& value) {
  const Reader reader(value, "options");
  EngineArguments arguments;
  arguments.backend = reader.text("backend");
  arguments.threads = reader.small("threads");
  arguments.options.precision = precision_of(reader.text("precision"));
  arguments.options.kv_type = kv_type_of(reader.text("kvType"));
  arguments.options.chunk_rows = reader.small("chunkRows");
  const Reader budgets = reader.child("budgets");
  arguments.options.budgets = {budgets.bytes("kvBytes"), budgets.bytes("featureBytes"), budgets.bytes("scratchBytes")};
  const Reader disk = reader.child("disk");
  arguments.options.disk.folder = disk.text("folder");
  arguments.options.disk.max_bytes = disk.bytes("maxBytes");
  arguments.options.disk.max_age_seconds = disk.integer("maxAgeSeconds");
  const auto [files, files_name] = reader.at("files");
  arguments.source.files = strings_of(files, files_name);
  arguments.source.headers = headers_of(reader.at("headers").value, reader.at("headers").name);
  arguments.source.vision_json = reader.text("vision");
  arguments.source.decoder_json = reader.text("decoder");
  arguments.source.mtp_json = reader.text_or_none("mtp");
  const Reader traits = reader.child("traits");
  arguments.source.traits = {traits.small("positionAxes"), visibility_of(traits.text("visibility")),
                             traits.small("deepstack"),    traits.integer("hidden"),
                             traits.integer("vocab"),      traits.integer("context")};
  return arguments;
}

std::vector<ImageShape> image_shapes_of(const Napi::Value& value) {
  std::vector<ImageShape> images;
  const Napi::Array array = array_of(value, "images");
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Reader image(array.Get(i), "images[" + std::to_string(i) + "]");
    images.push_back({counts_of(image.child("symbols")), image.integer("chunk")});
  }
  return images;
}

ImageKey image_key_of(const Napi::Value& value, const std::string& name) {
  const std::vector<uint8_t> bytes = bytes_of(value, name);
  ImageKey key{};
  if (bytes.size() != key.size()) expected(value.Env(), "32 bytes", name, value);
  std::memcpy(key.data(), bytes.data(), key.size());
  return key;
}

Prompt prompt_of(const Napi::Value& value) {
  const Reader reader(value, "prompt");
  Prompt prompt;
  prompt.ids = reader.int32s("ids");
  prompt.position_ids = reader.int32s("positionIds");
  prompt.feature_index = reader.int32s("featureIndex");
  prompt.marks = reader.int32s("marks");
  prompt.rope_delta = reader.small("ropeDelta");
  prompt.prefix_length = reader.small("prefixLength");
  const auto [spans, spans_name] = reader.at("spans");
  const Napi::Array array = array_of(spans, spans_name);
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Reader span(array.Get(i), spans_name + "[" + std::to_string(i) + "]");
    prompt.spans.push_back({span.small("start"), span.small("end"),
                            image_key_of(span.at("key").value, span.at("key").name), counts_of(span.child("symbols")),
                            span.text_or_none("label")});
  }
  return prompt;
}

RequestOptions request_options_of(const Napi::Value& value) {
  const Reader reader(value, "options");
  RequestOptions options{reader.small("maxTokens"), reader.boolean("lowPriority")};
  const auto [choices, name] = reader.at("choices");
  const Napi::Array array = array_of(choices, name);
  for (uint32_t i = 0; i < array.Length(); i++)
    options.choices.push_back(int32s_of(array.Get(i), name + "[" + std::to_string(i) + "]"));
  return options;
}

std::vector<NamedInput> named_inputs_of(const Napi::Value& value, const std::shared_ptr<JsQueue>& queue) {
  const Reader reader(value, "inputs");
  std::vector<NamedInput> inputs;
  const Napi::Array keys = reader.object().GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); i++) {
    const std::string key = keys.Get(i).As<Napi::String>();
    const Reader entry(reader.object().Get(key), "inputs." + key);
    const auto [data, data_name] = entry.at("data");
    Borrowed elements = borrowed_of(data, data_name, queue);
    const bool is_float = elements.type == napi_float32_array;
    if (!is_float && elements.type != napi_int32_array)
      expected(value.Env(), "a Float32Array or Int32Array", data_name, data);
    const int64_t rows = entry.integer("rows"), width = entry.integer("width");
    if (rows < 0 || width < 0 || static_cast<int64_t>(elements.bytes.size() / 4) != rows * width) {
      expected(value.Env(), "rows x width elements", entry.name(), entry.object());
    }
    inputs.push_back({key, is_float ? DType::f32 : DType::i32, rows, width, elements.bytes, std::move(elements.owner)});
  }
  return inputs;
}

GenerateOptions generate_options_of(const Napi::Value& value, const std::shared_ptr<const TokenTrie>& tokens) {
  const Reader reader(value, "options");
  GenerateOptions options;
  options.sampling.temperature = static_cast<float>(reader.number("temperature"));
  options.sampling.top_k = reader.small("topK");
  options.sampling.top_p = static_cast<float>(reader.number("topP"));
  options.sampling.min_p = static_cast<float>(reader.number("minP"));
  options.sampling.repetition_penalty = static_cast<float>(reader.number("repetitionPenalty"));
  options.sampling.seed = static_cast<uint64_t>(reader.integer("seed"));
  options.stop_ids = reader.int32s("stopIds");
  options.capture_logits = reader.boolean("captureLogits");
  options.weigh_tokens = reader.boolean("weighTokens");
  options.draft = reader.boolean("draft");
  if (reader.at("expected").has()) options.expected = reader.int32s("expected");
  if (reader.at("draftPrice").has()) options.draft_price = reader.number("draftPrice");
  if (reader.at("grammar").has()) options.constraint = constraint_of(reader.child("grammar"), tokens, options.stop_ids);
  return options;
}

Napi::Value to_js(Napi::Env env, const PlanReport& report) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("cache", cache_to_js(env, report.cache));
  result.Set("maxTokens", report.max_tokens);
  Napi::Array needed = Napi::Array::New(env, report.needed.size());
  for (uint32_t i = 0; i < report.needed.size(); i++) {
    Napi::Uint8Array key = Napi::Uint8Array::New(env, report.needed[i].size());
    std::memcpy(key.Data(), report.needed[i].data(), report.needed[i].size());
    needed.Set(i, key);
  }
  result.Set("needed", needed);
  return result;
}

Napi::Value to_js(Napi::Env env, const GenerateResult& generated) {
  Napi::Object result = Napi::Object::New(env);
  Napi::Int32Array tokens = Napi::Int32Array::New(env, generated.tokens.size());
  if (!generated.tokens.empty()) std::memcpy(tokens.Data(), generated.tokens.data(), generated.tokens.size() * 4);
  result.Set("tokens", tokens);
  result.Set("stop", stop_name(generated.stop));
  result.Set("cache", cache_to_js(env, generated.cache));
  result.Set("decodeMs", generated.decode_ms);
  result.Set("drafted", generated.drafted);
  result.Set("accepted", generated.accepted);
  if (generated.unkept) {
    Napi::Object unkept = Napi::Object::New(env);
    unkept.Set("code", generated.unkept->code());
    unkept.Set("message", generated.unkept->what());
    result.Set("unkept", unkept);
  }
  result.Set("whole", generated.whole);
  result.Set("hurried", generated.hurried);
  Napi::Array logits = Napi::Array::New(env, generated.logits.size());
  for (uint32_t i = 0; i < generated.logits.size(); i++) {
    Napi::Float32Array row = Napi::Float32Array::New(env, generated.logits[i].size());
    std::memcpy(row.Data(), generated.logits[i].data(), generated.logits[i].size() * 4);
    logits.Set(i, row);
  }
  result.Set("logits", logits);
  Napi::Float32Array probabilities = Napi::Float32Array::New(env, generated.probabilities.size());
  std::copy(generated.probabilities.begin(), generated.probabilities.end(), probabilities.Data());
  result.Set("probabilities", probabilities);
  Napi::Array choices = Napi::Array::New(env, generated.choices.size());
  for (uint32_t i = 0; i < generated.choices.size(); i++) {
    Napi::Float64Array log_probabilities = Napi::Float64Array::New(env, generated.choices[i].size());
    std::copy(generated.choices[i].begin(), generated.choices[i].end(), log_probabilities.Data());
    choices.Set(i, log_probabilities);
  }
  result.Set("choices", choices);
  return result;
}

Napi::Value to_js(Napi::Env env, const Counters& c) {
  Napi::Object result = Napi::Object::New(env);
  const auto set = [&](const std::string& name, double value) { result.Set(name, value); };
  const auto tier = [&](const std::string& name, const TierCounters& t) {
    set(name + "Hits", static_cast<double>(t.hits));
    set(name + "Misses", static_cast<double>(t.misses));
    set(name + "Evictions", static_cast<double>(t.evictions));
    set(name + "Bytes", static_cast<double>(t.bytes));
  };
  tier("kv", c.kv);
  tier("features", c.features);
  tier("snapshots", c.snapshots);
  tier("disk", c.disk);
  const std::pair<const char*, uint64_t> counts[] = {
      {"diskWrites", c.disk_writes},           {"diskSkipped", c.disk_skipped},
      {"diskRejected", c.disk_rejected},       {"blocksInUse", c.blocks_in_use},
      {"blocksLeaked", c.blocks_leaked},       {"bytesReserved", c.bytes_reserved},
      {"requestsWaiting", c.requests_waiting}, {"requestsActive", c.requests_active},
      {"decoderRuns", c.decoder_runs},         {"prefillRows", c.prefill_rows},
      {"decodeRows", c.decode_rows},           {"draftedTokens", c.drafted_tokens},
      {"acceptedTokens", c.accepted_tokens},   {"headDrafted", c.head_drafted},
      {"headAccepted", c.head_accepted},       {"imagesEncoded", c.images_encoded},
      {"tilesReused", c.tiles_reused},         {"runsCancelled", c.runs_cancelled},
      {"weightBytes", c.weight_bytes},         {"scratchBytes", c.scratch_bytes}};
  for (const auto& [name, value] : counts) set(name, static_cast<double>(value));
  set("encodeMs", c.encode_ms);
  set("prefillMs", c.prefill_ms);
  set("decodeMs", c.decode_ms);
  set("sampleMs", c.sample_ms);
  set("guessMs", c.guess_ms);
  result.Set("diskProblem", c.disk_problem);
  return result;
}

Napi::Value to_js(Napi::Env env, const TreeListing& listing) {
  Napi::Array branches = Napi::Array::New(env, listing.branches.size());
  for (uint32_t i = 0; i < listing.branches.size(); i++) {
    const Branch& branch = listing.branches[i];
    Napi::Object object = Napi::Object::New(env);
    object.Set("parent", branch.parent);
    object.Set("tokens", branch.tokens);
    object.Set("bytes", static_cast<double>(branch.bytes));
    object.Set("memory", branch.memory);
    object.Set("disk", branch.disk);
    Napi::Array labels = Napi::Array::New(env, branch.images.size());
    for (uint32_t at = 0; at < branch.images.size(); at++) labels.Set(at, branch.images[at]);
    object.Set("labels", labels);
    branches.Set(i, object);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("branches", branches);
  result.Set("more", static_cast<double>(listing.more));
  return result;
}

Napi::Value to_js(Napi::Env env, const MemoryNeed& need) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("weightBytes", static_cast<double>(need.weight_bytes));
  result.Set("blockBytes", static_cast<double>(need.block_bytes));
  result.Set("stateBytes", static_cast<double>(need.state_bytes));
  Napi::Array images = Napi::Array::New(env, need.images.size());
  for (uint32_t i = 0; i < need.images.size(); i++) {
    Napi::Object image = Napi::Object::New(env);
    image.Set("visionBytes", static_cast<double>(need.images[i].vision));
    image.Set("decoderBytes", static_cast<double>(need.images[i].decoder));
    images.Set(i, image);
  }
  result.Set("images", images);
  return result;
}

const char* stage_name(Stage stage) noexcept {
  switch (stage) {
    case Stage::queue:
      return "queue";
    case Stage::encode:
      return "encode";
    case Stage::prefill:
      return "prefill";
    case Stage::decode:
      return "decode";
  }
  return "queue";
}

}  // namespace afterimage::addon
