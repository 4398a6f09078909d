// What the backend finds out about kernels before a program runs, and remembers.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "metal/kernel_cases.h"
#include "metal/kernel_names.h"
#include "metal/rig/fake/fake_metal.h"
#include "metal_runs.h"
#include "session_ask.h"

using namespace metal_test;
namespace fake = rig::fake;
using afterimage::test::Kind;

namespace {

// A backend as the program opens it, with small tests.
std::unique_ptr<Backend> backend_with(const std::string& verdicts) {
  warnings.clear();
  MetalOptions options;
  options.cpu = make_cpu_backend({.threads = 1});
  options.warn = [](const std::string& text) { warnings.push_back(text); };
  options.self_test = true;
  options.verdicts = verdicts;
  options.test_sizes = {1, 33};
  return make_metal_backend(std::move(options));
}

struct Start {
  int64_t libraries = 0, dispatches = 0;
  std::string identity;
};

// Loads a model, as a start of the program does; `disturb` is called when its files are there.
Start start(const std::string& verdicts, const std::function<void()>& disturb = {}) {
  const test::TinyModel model(Kind::causal);
  if (disturb) disturb();
  auto backend = backend_with(verdicts);
  Backend* raw = backend.get();
  const auto before = fake::counters();
  const Engine engine(test::roomy(KvType::f16), model.source, std::move(backend), nullptr);
  const auto after = fake::counters();
  return {after.libraries - before.libraries, after.dispatches - before.dispatches, raw->identity()};
}

void opening_tests_nothing() {
  fake::reset();
  const auto backend = backend_with("");
  expect(!backend->identity().empty() && fake::counters().libraries == 0, "plain doctor compiles nothing");
}

void tested_once() {
  const test::TempFolder folder;
  const std::string file = folder.path() + "/deeper/verdicts";
  fake::reset();
  const Start first = start(file);
  expect(first.dispatches > 100, "the first start tests what the model uses");
  expect(first.libraries < 10, std::to_string(first.libraries) + " libraries: not those that it does not use");
  const auto launches = fake::counters().launches;
  expect(launches.count("linear_f32_32") && launches.count("kv_store_f16") && launches.count("segment_attention_32"),
         "what it uses is tested");
  expect(!launches.count("linear_q4_bf16_8") && !launches.count("linear_dot_f32_8") &&
             !launches.count("kv_store_f32") && !launches.count("route"),
         "and nothing else");
  expect(warnings.empty(), "all pass");
  const Start second = start(file);
  expect(second.dispatches == 0, "a later start tests nothing");
  expect(second.libraries > 0 && second.libraries <= first.libraries, "and compiles what it will use");
  expect(second.identity == first.identity, "and is the same backend");
  fake::settings().system = 26;
  expect(start(file).dispatches == first.dispatches, "another system tests again");
  fake::settings().system = 15;
  std::ofstream(file, std::ios::trunc) << "something else\n";
  expect(start(file).dispatches == first.dispatches, "a foreign file is no verdict");
  expect(start("/proc/no/such/folder").dispatches == first.dispatches, "a file that cannot be written is none either");
}

void failure_is_remembered() {
  const test::TempFolder folder;
  const std::string file = folder.path() + "/verdicts";
  fake::reset();
  const std::string sound = start("").identity;
  fake::settings().wrong_kernels = {"rms_norm"};
  const Start first = start(file);
  expect(warnings.size() == 1 && warnings[0].find("rms_norm is replaced by the CPU: it differs") != std::string::npos,
         "a kernel that computes nothing is found");
  expect(first.identity == sound + ", without rms_norm", first.identity);
  const Start second = start(file);
  expect(second.dispatches == 0 && warnings.size() == 1, "the next start knows, and says so again");
  expect(second.identity == first.identity, "under the same identity");
}

// What memory, the disk or a command that failed had a part in says nothing about a kernel: the next start tests again.
void moments_are_not_remembered() {
  fake::reset();
  const test::TempFolder folder;
  const std::string file = folder.path() + "/verdicts";
  const std::string sound = start(file).identity;
  fake::reset();
  start(file);
  const int64_t loading = fake::counters().buffers;
  const auto no_memory = [&] {
    fake::settings().fail_allocation = loading + 100;
    fake::settings().fail_allocations = 1;
  };
  const auto no_command = [] {
    fake::settings().fail_command = 50;
    fake::settings().fail_commands = 1;
  };
  const auto no_disk = [] { setenv("TMPDIR", "/proc", 1); };
  const char* before = std::getenv("TMPDIR");
  const std::string temporary = before ? before : "";
  for (const std::function<void()>& disturb : {std::function<void()>(no_memory), {no_command}, {no_disk}}) {
    const std::string other = folder.path() + "/other";
    std::filesystem::remove(other);
    fake::reset();
    start(other, disturb);
    expect(warnings.size() >= 1, "a test that failed is said");
    before ? setenv("TMPDIR", temporary.c_str(), 1) : unsetenv("TMPDIR");
    fake::reset();
    const Start healthy = start(other);
    expect(warnings.empty() && healthy.identity == sound, "and forgotten: " + healthy.identity);
    expect(start(other).dispatches == 0, "what the healthy start found out is kept");
  }
}

// A kernel that passed and cannot be made any more is part of the identity before anything is kept under it.
void made_before_the_identity() {
  const test::TempFolder folder;
  const std::string file = folder.path() + "/verdicts";
  fake::reset();
  const std::string sound = start(file).identity;
  for (const char* kernel : {"rms_norm", "rope_store_f16"}) {
    fake::reset();
    fake::settings().broken_kernels = {kernel};
    const Start second = start(file);
    expect(second.identity == sound + ", without " + kernel, second.identity);
    expect(warnings.size() == 1 && warnings[0].find("compiler encountered") != std::string::npos, "and is said once");
  }
  fake::reset();
  fake::settings().broken_kernels = {"linear_f32_8"};
  const Start second = start(file);
  expect(second.dispatches > 0 && second.identity == sound + ", without linear_f32_32 linear_f32_8",
         "what takes over is tested: " + second.identity);
}

// Few rows are normed in the kernel that multiplies them, more by one of its own: where the two differ nothing is
// joined.
void norms_that_differ() {
  fake::reset();
  const std::string sound = start("").identity;
  fake::settings().leaky_results = {"normed"};
  const std::string identity = start("").identity;
  expect(identity == sound + ", without linear_f32_8_normed", identity);
  expect(warnings.size() == 1 &&
             warnings[0].find("_normed is replaced by a slower one: a row depends") != std::string::npos,
         "a norm on the way that has other bits is found");
  fake::reset();
  fake::settings().leaky_kernels = {"rms_norm"};
  expect(start("").identity == sound + ", without rms_norm" && warnings.size() == 1 &&
             warnings[0].find("a row depends on the other rows: rows of rms_norm") != std::string::npos,
         "a norm whose rows depend on each other");
}

// Where the norm of many rows is the CPU's that of few is, too.
void norm_of_the_cpu() {
  fake::reset();
  fake::settings().broken_kernels = {"rms_norm"};
  constexpr int kSizes[] = {33};
  const auto backend = open(true);
  for (const KernelCase& one : invariance_cases(kSizes))
    if (one.kernel == "linear_f32_8_normed") expect(one.run(*backend).front() == 0, one.name);
}

// A difference far below every tolerance.
void rows_that_depend() {
  fake::reset();
  fake::settings().leaky_kernels = {"linear_f32_32"};
  start("");
  expect(warnings.size() == 2 && warnings[0].find("a row depends on the other rows") != std::string::npos &&
             warnings[0].find("is replaced by a slower one") != std::string::npos,
         "a row that depends on its neighbours is found: " + std::to_string(warnings.size()));
  expect(fake::counters().launches.count("linear_dot_f32_8") > 0, "the next choice is tested then");
  // A kernel that is replaced takes with it those that compute the same rows in other numbers.
  fake::reset();
  fake::settings().broken_kernels = {"attention_matrix_f16_64"};
  const std::string identity = start("").identity;
  expect(identity.find(", without attention_matrix_f16_64 attention_merge attention_split_f16_64") != std::string::npos,
         identity);
  // Three of them are in the same cases.
  for (const char* kernel :
       {"attention_matrix_f16_64", "attention_split_f16_64", "attention_merge", "segment_attention_32"}) {
    fake::reset();
    fake::settings().leaky_kernels = {kernel};
    start("");
    expect(!warnings.empty() && warnings[0].find("a row depends on the other rows") != std::string::npos,
           std::string("in attention too: ") + kernel);
  }
}

// What a program with experts finds when it is proved.
void experts_that_depend() {
  const auto proved = [](const char* wanted) {
    const auto backend = backend_with("");
    CaseRun run(*backend);
    const auto stored = stored_weight({WeightFormat::affine, 4, 64, ScaleType::bf16, "q4"}, 5, 21, 64, 1);
    const OpAttrs attrs;
    const OperatorUse use{Op::ExpertLinear, &attrs, {run.weight(*stored, kUseExperts), nullptr}};
    dynamic_cast<Proof&>(*backend).prove({&use, 1}, {});
    expect(!warnings.empty() && warnings[0].find(wanted) != std::string::npos, wanted);
    expect(backend->identity().ends_with(", without expert_matrix_q4_bf16_32 expert_matrix_q4_bf16_8"),
           backend->identity());
    auto launches = fake::counters().launches;
    expect(launches["expert_q4"] > 0 && launches["expert_q4_grouped"] > 0, "dot products are tested then");
  };
  for (const char* kernel : {"expert_matrix_q4_bf16_8", "expert_matrix_q4_bf16_32"}) {
    fake::reset();
    fake::settings().leaky_kernels = {kernel};
    proved("is replaced by a slower one: a row depends on the other rows: rows of expert_matrix_q4_bf16_32");
  }
  fake::reset();
  fake::settings().broken_families = {"experts_matrix"};
  proved("is replaced by a slower one: program_source:");
}

void in_place() {
  for (const bool refuse : {false, true}) {
    fake::reset();
    fake::settings().refuse_no_copy = refuse;
    const auto backend = backend_with("");
    CaseRun run(*backend);
    const auto stored = stored_weight({WeightFormat::f32, 0, 0, ScaleType::f32, "f32"}, 1, 512, 640, 1);
    const auto& weight = static_cast<const MetalWeight&>(*run.weight(*stored, kUseMatrix));
    expect(weight.bytes() > size_t{1} << 20 && (weight.bytes_in_place() > 0) == !refuse, "in place where that works");
    expect(warnings.size() == (refuse ? 1 : 0), "a refusal is said once");
  }
}

// Notes which kernels a run launched that were not foretold.
class Watching final : public Backend {
 public:
  explicit Watching(std::unique_ptr<MetalBackend> inner) : inner_(std::move(inner)) {}
  std::string identity() const override { return inner_->identity(); }
  std::unique_ptr<Memory> allocate(size_t bytes) override { return inner_->allocate(bytes); }
  std::unique_ptr<Weight> prepare(const WeightSource& source, uint32_t uses, Precision precision) override {
    return inner_->prepare(source, uses, precision);
  }
  void run(std::span<const Dispatch> dispatches, const std::atomic<bool>& cancel) override {
    const auto before = fake::counters().launches;
    std::set<std::string> foretold;
    for (const Dispatch& d : dispatches) {
      OperatorUse use{d.op, d.attrs, {}};
      std::copy(std::begin(d.weights), std::end(d.weights), std::begin(use.weights));
      const std::optional<KvType> kv = d.batch && d.batch->kv ? std::optional(d.batch->kv->type()) : std::nullopt;
      for (const KernelSet& set : kernel_sets(use, kv))
        for (const KernelName& name : set) foretold.insert(name.kernel);
      if (kv) foretold.insert(rope_store_kernel(*kv).kernel);
    }
    inner_->run(dispatches, cancel);
    for (const auto& [kernel, count] : fake::counters().launches) {
      const auto known = before.find(kernel);
      if (known == before.end() || known->second < count)
        expect(foretold.count(kernel) > 0, kernel + " was launched and not foretold");
    }
  }

 private:
  std::unique_ptr<MetalBackend> inner_;
};

void kernels_are_foretold() {
  fake::reset();
  Watching backend(open_alone());
  constexpr int kSizes[] = {1, 9};
  for (const KernelCase& one : kernel_cases(kSizes))
    if (!one.of_rows) one.run(backend);
}

}  // namespace

int main() {
  const int64_t before = fake::live_objects();
  for (auto test : {&opening_tests_nothing, &tested_once, &failure_is_remembered, &moments_are_not_remembered,
                    &made_before_the_identity, &norms_that_differ, &norm_of_the_cpu, &rows_that_depend,
                    &experts_that_depend, &in_place, &kernels_are_foretold}) {
    test();
    for (const std::string& text : fake::violations()) expect(false, "violation: " + text);
    expect(fake::live_objects() == before, std::to_string(fake::live_objects() - before) + " Metal objects leaked");
  }
  return metal_test::finish("metal_proof");
}
