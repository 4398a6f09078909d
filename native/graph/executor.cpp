#include "graph/executor.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

#include "graph/batch_check.h"
#include "graph/dispatch_list.h"
#include "graph/error.h"
#include "graph/fusion.h"
#include "graph/input_binding.h"
#include "graph/op_profile.h"
#include "graph/proof.h"

namespace afterimage {
namespace {

using Counts = std::map<std::string, int64_t>;
using Ops = std::shared_ptr<const std::vector<OpNode>>;

constexpr int64_t kDefaultRowTile = 256;
constexpr size_t kKeptPlans = 4;  // decode steps and prefill chunks repeat a few row counts

// A plan and what it was made for.
struct PlannedRun {
  Counts counts;
  std::vector<char> kept, external;
  Ops ops;
  MemoryPlan plan;
};

// The dispatches of the latest run; a decode step differs from the one before only in its batch.
struct BuiltRun {
  std::shared_ptr<const PlannedRun> planned;  // null: nothing is kept
  std::vector<Tensor> external;
  std::vector<Dispatch> dispatches;
};

bool same_memory(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  const auto same = [](const Tensor& x, const Tensor& y) { return x.memory == y.memory && x.offset == y.offset; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
}

std::vector<char> outputs_of(const Program& program) {
  std::vector<char> outputs(program.values.size(), 0);
  for (int32_t output : program.outputs) outputs[output] = 1;
  return outputs;
}

}  // namespace

struct Executor::Impl {
  Impl(Program parsed, Backend& owner) : program(std::move(parsed)), backend(owner), indices(index_operands(program)) {
    outputs = outputs_of(program);
    fused = std::make_shared<std::vector<OpNode>>(fuse(program, outputs));
    for (const OpNode& op : program.ops) {
      if (op.op == Op::Attention || op.op == Op::ShortConv || op.op == Op::GatedDelta) sequence_value = op.out[0];
    }
  }

  ~Impl() {
    if (profile_from_environment) profile.print(program.name);
  }

  void prepare_weights(Checkpoint& checkpoint, Precision precision, const std::function<void(size_t, size_t)>& progress,
                       const Impl* sharing);
  std::shared_ptr<Weight> weight_of(const WeightRecipe& recipe) const;
  std::shared_ptr<const PlannedRun> plan_for(const Counts& counts, const std::vector<char>& kept,
                                             const std::vector<char>& external);
  std::vector<char> values_kept(std::span<const std::string> taps) const;
  void reserve(size_t bytes);
  void bind(const std::vector<const Binding*>& bindings, const DispatchContext& context);
  void execute(const std::shared_ptr<const PlannedRun>& planned, const DispatchContext& context,
               const RunRequest& request, const std::atomic<bool>& cancel);
  void submit(std::span<const Dispatch> dispatches, const RunRequest& request, const std::atomic<bool>& cancel);
  void run_profiled(std::span<const Dispatch> dispatches, const std::atomic<bool>& cancel);
  HostTensor read(const DispatchContext& context, int32_t value) const;
  std::vector<HostTensor> run(const RunRequest& request, const std::atomic<bool>& cancel);

  Program program;
  Backend& backend;
  Precision precision = Precision::exact;
  std::vector<IndexOperand> indices;
  std::vector<char> outputs;    // by value
  int32_t sequence_value = -1;  // output of a sequence operator: its rows are the batch's
  Ops fused;                    // without taps
  std::vector<std::shared_ptr<Weight>> weights;
  size_t weight_bytes = 0;
  std::unique_ptr<Memory> scratch;
  BuiltRun built;  // of `scratch`
  std::atomic<size_t> scratch_bytes{0};
  int64_t row_tile = kDefaultRowTile;
  std::mutex plans_mutex;                                // predict_bytes may be called while a run is in flight
  std::vector<std::shared_ptr<const PlannedRun>> plans;  // the latest first
  const bool profile_from_environment = std::getenv("AFTERIMAGE_PROFILE") != nullptr;
  bool profiling = profile_from_environment;
  OpProfile profile;
};

// Null where this program does not have it, or reads it otherwise.
std::shared_ptr<Weight> Executor::Impl::weight_of(const WeightRecipe& recipe) const {
  for (size_t i = 0; i < program.weights.size(); ++i)
    if (same_weight(program.weights[i], recipe)) return weights[i];
  return nullptr;
}

// Total and steps of `progress` count the bytes of the sources.
void Executor::Impl::prepare_weights(Checkpoint& checkpoint, Precision precision,
                                     const std::function<void(size_t, size_t)>& progress, const Impl* sharing) {
  std::vector<size_t> bytes;
  size_t total = 0, done = 0;
  for (const WeightRecipe& recipe : program.weights) {
    size_t sum = 0;
    for (const auto* names : {&recipe.tensors, &recipe.scales, &recipe.biases}) {
      for (const std::string& name : *names) sum += recipe.uses ? checkpoint.tensor(name).bytes : 0;
    }
    bytes.push_back(sum);
    total += sum;
  }
  for (size_t i = 0; i < program.weights.size(); ++i) {
    const WeightRecipe& recipe = program.weights[i];
    done += bytes[i];
    if (auto shared = sharing ? sharing->weight_of(recipe) : nullptr) {
      weights.push_back(std::move(shared));
      continue;
    }
    weights.push_back(recipe.uses ? backend.prepare(checkpoint.source(recipe), recipe.uses, precision) : nullptr);
    if (weights.back()) weight_bytes += weights.back()->bytes();
    if (weights.back() && !weights.back()->reads_checkpoint()) checkpoint.release(recipe);
    if (progress) progress(done, total);
  }
}

std::shared_ptr<const PlannedRun> Executor::Impl::plan_for(const Counts& counts, const std::vector<char>& kept,
                                                           const std::vector<char>& external) {
  const std::lock_guard lock(plans_mutex);
  for (size_t i = 0; i < plans.size(); ++i) {
    const std::shared_ptr<const PlannedRun> known = plans[i];
    if (known->counts != counts || known->kept != kept || known->external != external) continue;
    plans.erase(plans.begin() + static_cast<ptrdiff_t>(i));
    plans.insert(plans.begin(), known);
    return known;
  }
  auto made = std::make_shared<PlannedRun>(PlannedRun{counts, kept, external, fused, {}});
  if (kept != outputs) made->ops = std::make_shared<std::vector<OpNode>>(fuse(program, kept));
  made->plan = plan_memory({program, *made->ops, kept, external, counts, row_tile});
  plans.insert(plans.begin(), made);
  if (plans.size() > kKeptPlans) plans.pop_back();
  return made;
}

std::vector<char> Executor::Impl::values_kept(std::span<const std::string> taps) const {
  std::vector<char> kept = outputs;
  for (const std::string& tap : taps) {
    const int32_t value = program.value_index(tap);
    if (value < 0)
      throw Error("INVALID_ARGUMENT", "Program \"" + program.name + "\" has no value \"" + tap + "\" to tap.");
    kept[value] = 1;
  }
  return kept;
}

void Executor::Impl::reserve(size_t bytes) {
  if (scratch && scratch->bytes() >= bytes) return;
  built = {};
  scratch.reset();
  scratch_bytes = 0;
  scratch = backend.allocate(std::max<size_t>(bytes, 64));
  scratch_bytes = bytes;
}

void Executor::Impl::bind(const std::vector<const Binding*>& bindings, const DispatchContext& context) {
  for (int32_t input : program.inputs) {
    const Tensor tensor = whole_tensor(context, input);
    if (context.external[input] || tensor.bytes() == 0 || !context.plan.placed[input]) continue;
    if (bindings[input]->write)
      bindings[input]->write(tensor.at<float>());
    else
      std::memcpy(tensor.at<std::byte>(), bindings[input]->host, tensor.bytes());
  }
}

void Executor::Impl::execute(const std::shared_ptr<const PlannedRun>& planned, const DispatchContext& context,
                             const RunRequest& request, const std::atomic<bool>& cancel) {
  if (built.planned == planned && same_memory(built.external, context.external)) {
    for (Dispatch& dispatch : built.dispatches) dispatch.batch = context.batch;
    return submit(built.dispatches, request, cancel);
  }
  built = {};
  BuiltRun first;
  size_t submissions = 0;
  for_each_dispatch(context, [&](std::span<const Dispatch> dispatches) {
    if (++submissions == 1) first = {planned, context.external, {dispatches.begin(), dispatches.end()}};
    submit(dispatches, request, cancel);
  });
  if (submissions == 1) built = std::move(first);
}

void Executor::Impl::submit(std::span<const Dispatch> dispatches, const RunRequest& request,
                            const std::atomic<bool>& cancel) {
  const size_t most = request.pause ? request.pause_every : dispatches.size();
  while (!dispatches.empty()) {
    if (cancel) throw Error("CANCELLED", "The run was cancelled.");
    const auto next = dispatches.first(std::min(most, dispatches.size()));
    profiling ? run_profiled(next, cancel) : backend.run(next, cancel);
    if (request.pause) request.pause();
    dispatches = dispatches.subspan(next.size());
  }
}

void Executor::Impl::run_profiled(std::span<const Dispatch> dispatches, const std::atomic<bool>& cancel) {
  for (const Dispatch& dispatch : dispatches) {
    const auto start = std::chrono::steady_clock::now();
    backend.run({&dispatch, 1}, cancel);
    profile.add(dispatch.op,
                std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
}

HostTensor Executor::Impl::read(const DispatchContext& context, int32_t value) const {
  const Tensor tensor = whole_tensor(context, value);
  HostTensor out{program.values[value].name, tensor.rows, tensor.width, {}};
  const size_t count = static_cast<size_t>(tensor.rows * tensor.width);
  if (tensor.dtype == DType::f32) {
    out.data.assign(tensor.at<float>(), tensor.at<float>() + count);
  } else {
    out.data.assign(tensor.at<int32_t>(), tensor.at<int32_t>() + count);
  }
  return out;
}

std::vector<HostTensor> Executor::Impl::run(const RunRequest& request, const std::atomic<bool>& cancel) {
  const std::vector<const Binding*> bindings = match_bindings(program, request.inputs);
  const std::vector<char> kept = values_kept(request.taps);
  std::vector<Tensor> tensors(program.values.size());
  std::vector<char> external(program.values.size(), 0);
  for (int32_t input : program.inputs) {
    tensors[input] = bindings[input]->device;
    external[input] = static_cast<bool>(tensors[input]);
  }
  const auto planned = plan_for(symbol_counts(program, bindings), kept, external);
  check_indices(program, indices, planned->plan.rows, bindings);
  if (sequence_value >= 0 && planned->plan.rows[sequence_value] > 0) {
    check_batch(program, request.batch, planned->plan.rows[sequence_value]);
  }
  reserve(planned->plan.bytes);
  const DispatchContext context{program, *planned->ops, planned->plan, weights,
                                tensors, scratch.get(), request.batch, precision};
  bind(bindings, context);
  execute(planned, context, request, cancel);
  std::vector<HostTensor> results;
  for (int32_t output : program.outputs) results.push_back(read(context, output));
  for (const std::string& tap : request.taps) results.push_back(read(context, program.value_index(tap)));
  return results;
}

Executor::Executor(Program program, Checkpoint& checkpoint, Backend& backend, Precision precision,
                   const std::function<void(size_t, size_t)>& progress, const Executor* sharing)
    : impl_(std::make_unique<Impl>(std::move(program), backend)) {
  impl_->precision = precision;
  impl_->prepare_weights(checkpoint, precision, progress, sharing ? sharing->impl_.get() : nullptr);
}

Executor::~Executor() = default;

// Also what tapping keeps apart of fused operators.
void Executor::prove(std::optional<KvType> kv) {
  auto* proof = dynamic_cast<Proof*>(&impl_->backend);
  if (!proof) return;
  std::vector<OperatorUse> uses;
  for (const auto* ops : {impl_->fused.get(), static_cast<const std::vector<OpNode>*>(&impl_->program.ops)})
    for (const OpNode& op : *ops) {
      OperatorUse use{op.op, &op.attrs, {}};
      for (size_t i = 0; i < op.weights.size(); ++i)
        if (op.weights[i] >= 0) use.weights[i] = impl_->weights[static_cast<size_t>(op.weights[i])].get();
      uses.push_back(use);
    }
  proof->prove(uses, kv);
}

const Program& Executor::program() const noexcept { return impl_->program; }

size_t Executor::predict_bytes(const Counts& counts, std::span<const std::string> device_inputs) const {
  std::vector<char> external(impl_->program.values.size(), 0);
  for (const std::string& name : device_inputs) {
    const int32_t value = impl_->program.value_index(name);
    if (value < 0)
      throw Error("INVALID_ARGUMENT", "Program \"" + impl_->program.name + "\" has no input \"" + name + "\".");
    external[value] = 1;
  }
  return impl_->plan_for(counts, impl_->outputs, external)->plan.bytes;
}

size_t scratch_bytes_of(const Program& program, const Counts& counts) {
  const std::vector<char> outputs = outputs_of(program), external(program.values.size(), 0);
  return plan_memory({program, fuse(program, outputs), outputs, external, counts, kDefaultRowTile}).bytes;
}

size_t Executor::weight_bytes() const noexcept { return impl_->weight_bytes; }

size_t Executor::scratch_bytes() const noexcept { return impl_->scratch_bytes; }

void Executor::set_row_tile(int64_t rows) {
  if (rows < 1)
    throw Error("INVALID_ARGUMENT", "Expected a row tile of at least 1 but received " + std::to_string(rows) + ".");
  const std::lock_guard lock(impl_->plans_mutex);
  impl_->row_tile = rows;
  impl_->plans.clear();
}

std::vector<HostTensor> Executor::run(const RunRequest& request, const std::atomic<bool>& cancel) {
  try {
    return impl_->run(request, cancel);
  } catch (const std::bad_alloc&) {
    throw Error("OUT_OF_MEMORY",
                "Memory for a run of program \"" + impl_->program.name + "\" ran out; use a smaller image or prompt.");
  }
}

void Executor::release_scratch() {
  impl_->built = {};
  impl_->scratch.reset();
  impl_->scratch_bytes = 0;
}

void Executor::set_profile(bool on) { impl_->profiling = on; }

std::vector<OpTime> Executor::profile() const { return impl_->profile.times(); }

}  // namespace afterimage
