#include "addon/runner.h"

#include <cstring>

#include "addon/arguments.h"
#include "addon/backend_choice.h"
#include "addon/errors.h"

namespace afterimage::addon {

// Everything the worker thread touches; outlives the JavaScript object until its last job is done.
struct Runner::Core {
  std::vector<std::string> files;
  FileHeaders headers;
  std::vector<uint8_t> weights;  // a safetensors image; used where there are no files
  std::string program, backend_name, precision, kv_type;
  int threads = 0;

  std::unique_ptr<Backend> backend;
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<Executor> executor;
  KvLayout kv;
  StateLayout states;
  std::map<int64_t, Timeline> timelines;
  bool closed = false;                   // JavaScript thread only
  std::vector<std::weak_ptr<Job>> jobs;  // not yet over; JavaScript thread only
  Worker worker;                         // last: joins before the rest goes

  void load();
  void cancel(int64_t ticket);  // every run where 0
  std::vector<HostTensor> run(Job& job);
  void extend(Timeline& timeline, int64_t positions);
};

struct Runner::Job {
  struct Input {
    std::string name;
    int64_t rows;
    Elements elements;
    Borrowed bytes{};                  // in place of elements
    std::vector<float> scale, offset;  // by column: bytes · scale + offset
    bool widened() const { return !scale.empty(); }
    int64_t count() const { return widened() ? static_cast<int64_t>(bytes.bytes.size()) : elements.count(); }
    void widen(float* out) const;
  };
  struct Sequence {
    int64_t slot, rows, first_position;
    std::vector<int32_t> visible_end;
  };
  std::vector<Input> inputs;
  std::vector<Sequence> sequences;
  std::vector<std::string> taps;
  int64_t ticket = 0;  // the caller's name for the run; 0: none
  std::atomic<bool> cancel{false};
};

void Runner::Core::cancel(int64_t ticket) {
  for (const auto& known : jobs)
    if (const auto job = known.lock(); job && (ticket == 0 || job->ticket == ticket)) job->cancel = true;
}

// As many columns at a time as both fill whole registers and repeat the scales.
void Runner::Job::Input::widen(float* out) const {
  constexpr size_t kRegister = 8;
  const size_t period = scale.size() * kRegister, count = bytes.bytes.size();
  std::vector<float> scales(period), offsets(period);
  for (size_t i = 0; i < period; i++) scales[i] = scale[i % scale.size()], offsets[i] = offset[i % scale.size()];
  const auto* in = reinterpret_cast<const uint8_t*>(bytes.bytes.data());
  const float *by = scales.data(), *plus = offsets.data();
  for (size_t first = 0; first < count; first += period)
    for (size_t i = 0, end = std::min(period, count - first); i < end; i++)
      out[first + i] = static_cast<float>(in[first + i]) * by[i] + plus[i];
}

void Runner::Core::load() {
  backend = make_backend(backend_name, threads, precision_of(precision));
  checkpoint = files.empty() && !weights.empty()
                   ? std::make_unique<Checkpoint>(std::move(weights), "the weights given to the runner")
                   : std::make_unique<Checkpoint>(files, headers);
  Program parsed = parse_program(program);
  kv = KvLayout(parsed.kv_layers, kv_type_of(kv_type));
  states = StateLayout(parsed.state_elements);
  executor = std::make_unique<Executor>(std::move(parsed), *checkpoint, *backend, precision_of(precision),
                                        [](size_t, size_t) {});
  executor->prove(kv.layers().empty() ? std::nullopt : std::optional(kv_type_of(kv_type)));
  checkpoint->require_intact();
}

void Runner::Core::extend(Timeline& timeline, int64_t positions) {
  while (static_cast<int64_t>(timeline.blocks.size()) * kBlockPositions < positions && kv.block_bytes() > 0) {
    timeline.blocks.push_back(backend->allocate(kv.block_bytes()));
  }
  if (!timeline.state && states.bytes > 0) {
    timeline.state = backend->allocate(states.bytes);
    std::memset(timeline.state->host(), 0, states.bytes);
  }
}

std::vector<HostTensor> Runner::Core::run(Job& job) {
  RunRequest request;
  for (auto& input : job.inputs) {
    const int32_t index = executor->program().value_index(input.name);
    if (index < 0) throw Error("INVALID_ARGUMENT", "The program has no input named \"" + input.name + "\".");
    const afterimage::Value& value = executor->program().values[static_cast<size_t>(index)];
    if ((value.dtype == DType::f32) != (input.widened() || input.elements.is_float)) {
      throw Error("INVALID_ARGUMENT", "Input \"" + input.name + "\" has the wrong element type.");
    }
    if (input.rows * value.width != input.count()) {
      throw Error("INVALID_ARGUMENT", "Input \"" + input.name + "\" needs " + std::to_string(input.rows) + " x " +
                                          std::to_string(value.width) + " elements but has " +
                                          std::to_string(input.count()) + ".");
    }
    request.inputs.push_back({input.name, input.rows, input.elements.bytes.data(), {}});
    if (input.widened()) request.inputs.back().write = [&input](float* out) { input.widen(out); };
  }
  RowBatch batch;
  batch.kv = &kv;
  batch.states = &states;
  std::vector<std::vector<Memory*>> blocks(job.sequences.size());
  int32_t row = 0;
  for (size_t i = 0; i < job.sequences.size(); i++) {
    const auto& sequence = job.sequences[i];
    Timeline& timeline = timelines[sequence.slot];
    extend(timeline, sequence.first_position + sequence.rows);
    for (const auto& block : timeline.blocks) blocks[i].push_back(block.get());
    batch.sequences.push_back(
        {row, static_cast<int32_t>(sequence.rows), sequence.first_position, blocks[i], timeline.state.get()});
    for (int64_t r = 0; r < sequence.rows; r++) {
      batch.visible_end.push_back(sequence.visible_end.empty() ? static_cast<int32_t>(sequence.first_position + r + 1)
                                                               : sequence.visible_end[static_cast<size_t>(r)]);
    }
    row += static_cast<int32_t>(sequence.rows);
  }
  if (!job.sequences.empty()) request.batch = &batch;
  request.taps = job.taps;
  std::vector<HostTensor> result = executor->run(request, job.cancel);
  checkpoint->require_intact();
  return result;
}

void Runner::define(Napi::Env env, Napi::Object exports) {
  exports.Set("Runner", DefineClass(env, "Runner",
                                    {InstanceMethod("load", &Runner::entry<&Runner::load>),
                                     InstanceMethod("run", &Runner::entry<&Runner::run>),
                                     InstanceMethod("reset", &Runner::entry<&Runner::reset>),
                                     InstanceMethod("cancel", &Runner::entry<&Runner::cancel>),
                                     InstanceMethod("predictBytes", &Runner::entry<&Runner::predict_bytes>),
                                     InstanceMethod("close", &Runner::entry<&Runner::close>)}));
}

Runner::Runner(const Napi::CallbackInfo& info) : ObjectWrap(info), core_(std::make_shared<Core>()) {
  const Napi::Object options = object_of(info[0], "options");
  if (const Field weights = field(options, "weights", "options"); weights.has())
    core_->weights = bytes_of(weights.value, weights.name);
  auto [files, files_name] = field(options, "files", "options");
  core_->files = strings_of(files, files_name);
  core_->headers = headers_of(field(options, "headers", "options").value, "options.headers");
  const auto text = [&](const char* key) {
    const Field f = field(options, key, "options");
    return string_of(f.value, f.name);
  };
  core_->program = text("program");
  core_->backend_name = text("backend");
  core_->precision = text("precision");
  core_->kv_type = text("kvType");
  const Field threads = field(options, "threads", "options");
  core_->threads = static_cast<int>(integer_of(threads.value, threads.name));
  queue_ = JsQueue::create(info.Env(), "afterimage runner");
}

Runner::~Runner() {
  core_->cancel(0);
  core_.reset();
  if (queue_) queue_->release();
}

Napi::Value Runner::load(const Napi::CallbackInfo& info) {
  const Deferred deferred(info.Env(), queue_);
  core_->worker.post([core = core_.get(), deferred] {
    try {
      core->load();
      const double bytes = static_cast<double>(core->executor->weight_bytes());
      const std::string identity = core->backend->identity();
      deferred.resolve([bytes, identity](Napi::Env env) -> Napi::Value {
        Napi::Object result = Napi::Object::New(env);
        result.Set("weightBytes", bytes);
        result.Set("backend", identity);
        result.Set("engine", AFTERIMAGE_ENGINE);
        return result;
      });
    } catch (...) {
      deferred.reject(std::current_exception());
    }
  });
  return deferred.promise();
}

static Napi::Value to_js(Napi::Env env, const std::vector<HostTensor>& tensors) {
  Napi::Object result = Napi::Object::New(env);
  for (const HostTensor& tensor : tensors) {
    Napi::Float32Array data = Napi::Float32Array::New(env, tensor.data.size());
    if (!tensor.data.empty()) std::memcpy(data.Data(), tensor.data.data(), tensor.data.size() * 4);
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("rows", static_cast<double>(tensor.rows));
    entry.Set("width", static_cast<double>(tensor.width));
    entry.Set("data", data);
    result.Set(tensor.name, entry);
  }
  return result;
}

Napi::Value Runner::run(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (core_->closed) throw Error("CLOSED", "The runner is closed.");
  const Napi::Object request = object_of(info[0], "request");
  auto job = std::make_shared<Job>();
  const Field inputs = field(request, "inputs", "request");
  const Napi::Object named = object_of(inputs.value, inputs.name);
  const Napi::Array keys = named.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); i++) {
    const std::string key = keys.Get(i).As<Napi::String>();
    const Napi::Object entry = object_of(named.Get(key), inputs.name + "." + key);
    const Field rows = field(entry, "rows", inputs.name + "." + key);
    const Field data = field(entry, "data", inputs.name + "." + key);
    const Field scale = field(entry, "scale", inputs.name + "." + key);
    Job::Input input{key, integer_of(rows.value, rows.name), {}, {}, {}, {}};
    if (scale.has()) {
      const Field offset = field(entry, "offset", inputs.name + "." + key);
      input.bytes = borrowed_of(data.value, data.name, queue_);
      if (input.bytes.type != napi_uint8_array) expected(env, "a Uint8Array", data.name, data.value);
      input.scale = floats_of(scale.value, scale.name);
      input.offset = floats_of(offset.value, offset.name);
      if (input.scale.empty() || input.offset.size() != input.scale.size())
        expected(env, "as many numbers as in scale", offset.name, offset.value);
      if (input.bytes.bytes.size() % input.scale.size() != 0)
        expected(env, "whole rows of " + std::to_string(input.scale.size()) + " bytes", data.name, data.value);
    } else {
      input.elements = elements_of(data.value, data.name);
    }
    job->inputs.push_back(std::move(input));
  }
  if (const Field list = field(request, "sequences", "request"); list.has()) {
    const Napi::Array array = array_of(list.value, list.name);
    for (uint32_t i = 0; i < array.Length(); i++) {
      const std::string name = list.name + "[" + std::to_string(i) + "]";
      const Napi::Object entry = object_of(array.Get(i), name);
      const auto integer = [&](const char* key) {
        const Field f = field(entry, key, name);
        return integer_of(f.value, f.name);
      };
      Job::Sequence sequence{integer("slot"), integer("rows"), integer("firstPosition"), {}};
      if (sequence.rows < 0 || sequence.first_position < 0) expected(env, "counts of at least 0", name, entry);
      if (const Field ends = field(entry, "visibleEnd", name); ends.has()) {
        sequence.visible_end = int32s_of(ends.value, ends.name);
        if (static_cast<int64_t>(sequence.visible_end.size()) != sequence.rows) {
          expected(env, "one entry per row", ends.name, ends.value);
        }
      }
      job->sequences.push_back(std::move(sequence));
    }
  }
  if (const Field taps = field(request, "taps", "request"); taps.has()) job->taps = strings_of(taps.value, taps.name);

  if (const Field ticket = field(request, "ticket", "request"); ticket.has())
    job->ticket = integer_of(ticket.value, ticket.name);
  std::erase_if(core_->jobs, [](const auto& known) { return known.expired(); });
  core_->jobs.push_back(job);
  const Deferred deferred(env, queue_);
  core_->worker.post([core = core_.get(), job, deferred] {
    try {
      if (job->cancel) throw Error("CANCELLED", "The run was cancelled.");
      if (!core->executor) throw Error("INVALID_ARGUMENT", "Call load() before run().");
      auto result = std::make_shared<std::vector<HostTensor>>(core->run(*job));
      deferred.resolve([result](Napi::Env e) { return to_js(e, *result); });
    } catch (...) {
      deferred.reject(std::current_exception());
    }
  });
  return deferred.promise();
}

// Ends the run that was given this ticket, waiting or in flight.
Napi::Value Runner::cancel(const Napi::CallbackInfo& info) {
  const int64_t ticket = integer_of(info[0], "ticket");
  if (ticket < 1) expected(info.Env(), "a whole number above 0", "ticket", info[0]);
  core_->cancel(ticket);
  return info.Env().Undefined();
}

Napi::Value Runner::reset(const Napi::CallbackInfo& info) {
  const int64_t slot = integer_of(info[0], "slot");
  core_->worker.post([core = core_.get(), slot] { core->timelines.erase(slot); });
  return info.Env().Undefined();
}

Napi::Value Runner::predict_bytes(const Napi::CallbackInfo& info) {
  const Napi::Object counts = object_of(info[0], "counts");
  std::map<std::string, int64_t> symbols;
  const Napi::Array keys = counts.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); i++) {
    const std::string key = keys.Get(i).As<Napi::String>();
    symbols[key] = integer_of(counts.Get(key), "counts." + key);
  }
  const Deferred deferred(info.Env(), queue_);
  core_->worker.post([core = core_.get(), symbols, deferred] {
    try {
      if (!core->executor) throw Error("INVALID_ARGUMENT", "Call load() before predictBytes().");
      const double bytes = static_cast<double>(core->executor->predict_bytes(symbols));
      deferred.resolve([bytes](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, bytes); });
    } catch (...) {
      deferred.reject(std::current_exception());
    }
  });
  return deferred.promise();
}

// Resolves when the run in flight has ended and all memory is given back.
Napi::Value Runner::close(const Napi::CallbackInfo& info) {
  const Deferred deferred(info.Env(), queue_);
  if (core_->closed) {
    deferred.resolve([](Napi::Env env) { return env.Undefined(); });
    return deferred.promise();
  }
  core_->closed = true;
  core_->cancel(0);
  core_->worker.post([core = core_.get(), deferred] {
    core->timelines.clear();
    core->executor.reset();
    core->checkpoint.reset();
    core->backend.reset();
    deferred.resolve([](Napi::Env env) { return env.Undefined(); });
  });
  return deferred.promise();
}

}  // namespace afterimage::addon
