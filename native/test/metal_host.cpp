// The host under bad conditions: each ends in the right error or on the CPU, and nothing leaks.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <set>
#include <thread>

#include "cache_fixture.h"
#include "graph/json.h"
#include "metal/kernel_cases.h"
#include "metal/pipelines.h"
#include "metal/rig/fake/fake_metal.h"
#include "metal_runs.h"
#include "platform/mapped_file.h"

using namespace metal_test;
namespace fake = rig::fake;

namespace {

void broken_family() {
  fake::reset();
  fake::settings().broken_families = {"elementwise"};
  {
    const auto backend = open(true);
    expect(doubled(*backend, 40, never) == 2, "an operator whose text does not compile runs on the CPU");
    expect(warnings.size() == 1 && warnings[0].find("add") != std::string::npos,
           "one warning for a family that does not compile");
  }
  const auto alone = open(false);
  expect_error("BACKEND_FAILED", "no CPU backend", [&] { doubled(*alone, 1, never); });
}

void broken_kernel() {
  fake::reset();
  const auto cpu = make_cpu_backend({.threads = 1});
  constexpr int kSizes[] = {33};
  const auto run_cases = [&](Backend& backend) {
    for (const KernelCase& one : linear_cases(kSizes))
      if (one.kernel == "linear_q4_bf16_8" || one.kernel == "linear_q4_bf16_32")
        expect(distance(one.run(backend), one.run(*cpu)) <= one.tolerance, "a broken kernel's operator is computed");
  };
  fake::settings().broken_kernels = {"linear_q4_bf16_8"};
  auto backend = open(true);
  run_cases(*backend);
  expect(warnings.size() == 1 && warnings[0].find("linear_q4_bf16_8 is replaced by a slower one") != std::string::npos,
         "one warning for one kernel");
  auto launches = fake::counters().launches;
  expect(launches["linear_dot_q4_1"] > 0 && launches["linear_dot_q4_8"] > 0 && launches["linear_q4_bf16_32"] == 0,
         "the dot products take over, for all numbers of rows");
  fake::settings().broken_kernels.insert("linear_dot_q4_8");
  backend = open(true);
  const auto linears = [] {
    int64_t count = 0;
    for (const auto& [kernel, launched] : fake::counters().launches)
      if (kernel.rfind("linear_", 0) == 0) count += launched;
    return count;
  };
  run_cases(*backend);
  const int64_t before = linears();
  run_cases(*backend);
  // Of the kernels that fail, and of the one that goes with the last.
  expect(linears() == before && warnings.size() == 3, "then the CPU");
}

void allocation_fails() {
  fake::reset();
  const auto backend = open(false);
  fake::settings().fail_allocation = 0;
  expect_error("OUT_OF_MEMORY", "a refused allocation", [&] { backend->allocate(1000); });
}

// Weights, tensors, tables, cache blocks: whichever allocation is refused, the run ends in OUT_OF_MEMORY.
void any_allocation_fails() {
  constexpr int kSizes[] = {1};
  for (const KernelCase& one : kernel_cases(kSizes)) {
    if (one.kernel != "attention_split_f16_64" && one.kernel != "linear_q4_bf16_8") continue;
    int refused = 0;
    for (int n = 0;; ++n) {
      fake::reset();
      const auto backend = open(false);
      fake::settings().fail_allocation = fake::counters().buffers + n;
      try {
        one.run(*backend);
        break;
      } catch (const Error& error) {
        expect(error.code() == "OUT_OF_MEMORY", "a refused allocation: " + error.code() + " " + error.what());
        ++refused;
      }
    }
    expect(refused >= 5, one.kernel + ": " + std::to_string(refused) + " allocations were refused in turn");
  }
}

void working_set_exceeded() {
  fake::reset();
  fake::settings().working_set = 1 << 20;
  const auto backend = open(false);
  const auto half = backend->allocate(600 << 10);
  const auto before = fake::counters().buffers;
  expect_error("OUT_OF_MEMORY", "beyond the working set", [&] { backend->allocate(600 << 10); });
  expect(fake::counters().buffers == before, "the refusal comes before the allocation");
}

void lowered_limits() {
  fake::reset();
  fake::settings().threads = 128;
  fake::settings().threadgroup_memory = 16 << 10;
  const auto backend = open(true);
  const auto cpu = make_cpu_backend({.threads = 1});
  constexpr int kSizes[] = {33};
  std::set<std::string> done;
  for (const KernelCase& one : kernel_cases(kSizes))
    if (!one.of_rows || done.insert(one.name).second)
      expect(distance(one.run(*backend), one.run(*cpu)) <= one.tolerance,
             "lowered limits: " + one.kernel + " " + one.name);
  expect(!warnings.empty(), "lowered limits are reported");
  expect(fake::violations().empty(), "lowered limits: no invalid call");
}

void command_fails() {
  fake::reset();
  fake::settings().delay_us = 100;
  const auto backend = open(true);
  fake::settings().fail_command = 1;
  expect_error("BACKEND_FAILED", "a command buffer fails", [&] { doubled(*backend, 100, never); });
  fake::settings().fail_command = -1;
  expect(doubled(*backend, 20, never) == 2, "the next run succeeds");
  fake::settings().fail_command = 0;
  fake::settings().command_error = 8;
  expect_error("OUT_OF_MEMORY", "the device runs out of memory", [&] { doubled(*backend, 4, never); });
}

void device_lost() {
  fake::reset();
  const auto backend = open(true);
  fake::settings().fail_command = 0;
  fake::settings().command_error = 4;  // access revoked
  expect_error("BACKEND_FAILED", "a queue may ignore what it is given", [&] { doubled(*backend, 4, never); });
  expect_error("BACKEND_LOST", "a new queue does so too", [&] { doubled(*backend, 4, never); });
  fake::settings().fail_command = -1;
  const auto before = fake::counters().command_buffers;
  expect_error("BACKEND_LOST", "it stays lost", [&] { doubled(*backend, 4, never); });
  expect(fake::counters().command_buffers == before, "nothing is sent to a lost device");
}

void cancelled() {
  fake::reset();
  fake::settings().delay_us = 2000;
  const auto backend = open(false);
  std::atomic<bool> cancel = false;
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    cancel = true;
  });
  expect_error("CANCELLED", "a cancelled run", [&] { doubled(*backend, 20000, cancel); });
  later.join();
  expect(fake::counters().command_buffers < 200, "a cancelled run stops early");
  expect(doubled(*backend, 3, never) == 2, "the run after a cancelled one");
}

void closed_during_run() {
  fake::reset();
  fake::settings().delay_us = 2000;
  auto backend = open_alone();
  {
    CaseRun run(*backend);
    OpAttrs attrs;
    const Tensor x = constant_tensor(run, 4, 8, 1), y = run.empty(4, 8);
    const std::vector<Dispatch> list(20000, Dispatch{Op::Add, &attrs, {x, x}, {y}, {nullptr, nullptr}, nullptr});
    MetalBackend* raw = backend.get();
    std::atomic<bool> started = false;
    std::string code;
    std::thread runner([&] {
      started = true;
      try {
        raw->run(list, never);
      } catch (const Error& error) {
        code = error.code();
      }
    });
    while (!started || fake::counters().command_buffers == 0) std::this_thread::yield();
    backend.reset();
    runner.join();
    expect(code == "CLOSED", "a run ends with CLOSED when its backend is closed, not with '" + code + "'");
  }
}

void weights_in_place() {
  fake::reset();
  const auto backend = open(false);
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), bytes = 64 * page;
  void* mapping = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  std::memset(mapping, 0, bytes);
  mprotect(mapping, bytes, PROT_READ);
  WeightSource source;
  source.name = "mapped";
  source.rows = 128;
  source.columns = 256;
  source.row_bytes = 1024;
  source.data = static_cast<std::byte*>(mapping) + 96;
  for (const bool refuse : {false, true}) {
    fake::settings().refuse_no_copy = refuse;
    const auto weight = backend->prepare(source, kUseMatrix, Precision::exact);
    const auto& own = static_cast<const MetalWeight&>(*weight);
    expect(own.bytes_in_place() == (refuse ? 0u : 128u * 1024u),
           "mapped weights are used in place, or copied where the device refuses");
  }
  munmap(mapping, bytes);
}

// Matrices one after the other in a mapped file.
class Stored {
 public:
  static constexpr size_t kFirst = 96, kBytes = size_t{256} << 10;
  explicit Stored(int matrices) {
    const std::string path = folder_.path() + "/matrices";
    std::ofstream out(path, std::ios::binary);
    out.write(std::string(kFirst, ' ').data(), kFirst);
    Random random(static_cast<uint64_t>(matrices));
    for (size_t i = 0; i < static_cast<size_t>(matrices) * kBytes / 4; ++i) {
      const float value = random.uniform(-1, 1);
      out.write(reinterpret_cast<const char*>(&value), 4);
    }
    out.close();
    file_.emplace(path);
  }
  std::unique_ptr<Weight> weight(Backend& backend, size_t number) const {
    WeightSource source;
    source.name = "matrix";
    source.rows = 64;
    source.columns = static_cast<int64_t>(kBytes / 4) / source.rows;
    source.row_bytes = static_cast<size_t>(source.columns) * 4;
    source.data = file_->data() + kFirst + number * kBytes;
    return backend.prepare(source, kUseMatrix, Precision::exact);
  }

 private:
  test::TempFolder folder_;
  std::optional<MappedFile> file_;
};

size_t in_place(const std::unique_ptr<Weight>& weight) {
  return static_cast<const MetalWeight&>(*weight).bytes_in_place();
}

std::vector<float> product(Backend& backend, const Weight& matrix) {
  CaseRun run(backend);
  OpAttrs attrs;
  const Dispatch d{Op::Linear, &attrs, {run.floats(2, 1024, 5)}, {run.empty(2, 64)}, {&matrix, nullptr}, nullptr};
  run.run(d);
  return CaseRun::read(d.out[0]);
}

// Read from the file's own pages it is the matrix that it is where it is copied.
void expect_matrix(Backend& backend, const Stored& file, size_t number, const Weight& weight) {
  const auto copying = open(false);
  fake::settings().refuse_no_copy = true;
  const auto copied = file.weight(*copying, number);
  fake::settings().refuse_no_copy = false;
  expect(in_place(copied) == 0 && product(backend, weight) == product(*copying, *copied),
         "matrix " + std::to_string(number));
}

void files_wrapped_once() {
  fake::reset();
  const auto backend = open(false);
  const Stored one(4), other(2);
  std::vector<std::unique_ptr<Weight>> weights;
  for (const size_t number : {0, 1, 3}) {
    weights.push_back(one.weight(*backend, number));
    expect(in_place(weights.back()) == Stored::kBytes, "read in place");
    expect_matrix(*backend, one, number, *weights.back());
  }
  expect(fake::counters().no_copy == 1, "the tensors of a file share one buffer");
  weights.push_back(other.weight(*backend, 1));
  expect_matrix(*backend, other, 1, *weights.back());
  expect(fake::counters().no_copy == 2, "another file has its own");
  const int64_t live = fake::counters().live["buffer"];
  weights.erase(weights.begin(), weights.begin() + 2);
  expect(fake::counters().live["buffer"] == live, "it lives as long as one of them");
  weights.erase(weights.begin());
  expect(fake::counters().live["buffer"] == live - 1, "and no longer");
  weights.push_back(one.weight(*backend, 2));
  expect_matrix(*backend, one, 2, *weights.back());
  expect(fake::counters().no_copy == 3, "then the file is wrapped anew");
}

// The device's buffers end in the middle of matrices 3 and 7.
void files_cut() {
  fake::reset();
  fake::settings().max_buffer = 4 * Stored::kBytes + 100;
  const auto backend = open(false);
  const Stored file(10);
  std::vector<std::unique_ptr<Weight>> weights;
  const auto expect_buffers = [&](std::initializer_list<size_t> numbers, int64_t buffers, const std::string& what) {
    for (const size_t number : numbers) {
      weights.push_back(file.weight(*backend, number));
      expect(in_place(weights.back()) == Stored::kBytes, "matrix " + std::to_string(number) + " is read in place");
      expect_matrix(*backend, file, number, *weights.back());
    }
    expect(fake::counters().no_copy == buffers, what + ": " + std::to_string(fake::counters().no_copy) + " buffers");
  };
  expect_buffers({0, 2}, 1, "before the first cut");
  expect_buffers({4, 6}, 2, "between the cuts");
  expect_buffers({8, 9}, 3, "to the end of the file");
  expect_buffers({3, 7}, 5, "across a cut");
}

ReportOptions quick() {
  ReportOptions options;
  options.sizes = {1, 33};
  options.width = 256;
  options.pauses = {0};
  options.resident_bytes = size_t{1} << 20;
  options.dispatches = {0.001};
  return options;
}

bool has(const std::string& json, const std::string& part) { return json.find(part) != std::string::npos; }

void report() {
  fake::reset();
  fake::settings().wrong_kernels = {"softcap"};
  ReportOptions options = quick();
  std::vector<std::string> reached;
  options.reached = [&](const std::string& partial) { reached.push_back(partial); };
  const std::string json = metal_report(make_cpu_backend({.threads = 1}), options);
  for (const std::string& partial : reached) parse_json(partial);
  for (const char* stage : {"opening", "compiling rope", "reading in place", "testing linear_q4_bf16_8",
                            "measuring after pauses", "measuring the longest dispatch"})
    expect(std::any_of(reached.begin(), reached.end(),
                       [&](const std::string& one) { return has(one, std::string("\"stage\": \"") + stage); }),
           std::string("what came before ") + stage + " is known while it runs");
  for (const char* part :
       {"\"failed_kernels\": 1,", "\"name\": \"Emulated Apple GPU\"", "\"in_place\": \"works\"",
        "\"stage\": \"measured\"", "\"matrix_order\": \"ascending\"", "\"failed_to_compile\": 0",
        "\"kernel\": \"linear_q4_bf16_8\", \"seconds\"", "\"round_trip_seconds\"", "\"pause_seconds\": 0,",
        "segment attention, 128 rows", "linear f16, 128 rows", "\"after_pauses_bytes\": 1048576"})
    expect(has(json, part), std::string("the report says ") + part + " in " + json.substr(0, 300));
  expect(json.find("\"largest_dispatch_seconds\": 0}") == std::string::npos, "a short dispatch lives");
}

void report_of_compiling() {
  fake::reset();
  ReportOptions options = quick();
  options.compile_only = true;
  fake::settings().broken_families = {"rope"};
  std::string json = metal_report(nullptr, options);
  expect(has(json, "\"stage\": \"compiled\"") && has(json, "\"failed_to_compile\": 1,"),
         "a text that does not compile");
  expect(fake::counters().dispatches == 0, "nothing is run");
  fake::reset();
  fake::settings().apple_family = false;
  json = metal_report(nullptr, options);
  expect(has(json, "\"failed_to_compile\": 0,") && has(json, "\"pipelines\": []") && has(json, "not of the family"),
         "a device that cannot run the kernels compiles their texts");
  expect(has(metal_report(make_cpu_backend({.threads = 1}), quick()), "\"stage\": \"open\""), "and runs nothing");
}

}  // namespace

int main() {
  const int64_t before = fake::live_objects();
  for (auto test : {&broken_family, &broken_kernel, &allocation_fails, &any_allocation_fails, &working_set_exceeded,
                    &lowered_limits, &command_fails, &device_lost, &cancelled, &closed_during_run, &weights_in_place,
                    &files_wrapped_once, &files_cut, &report, &report_of_compiling}) {
    test();
    for (const std::string& text : fake::violations()) expect(false, "violation: " + text);
    expect(fake::live_objects() == before, std::to_string(fake::live_objects() - before) + " Metal objects leaked");
  }
  return metal_test::finish("metal_host");
}
