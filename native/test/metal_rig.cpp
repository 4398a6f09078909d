// The emulator itself: a correct kernel under every schedule, and every injected fault caught — by a Fault, by a result
// that is wrong or depends on the schedule, or by the sanitizer of this build (then in a process of its own).
//   metal_rig            all faults that this build can catch
//   metal_rig --run NAME one kernel, to be watched by a sanitizer
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "metal_check.h"
#include "runtime/emulator.h"
#include "runtime/sanitizer.h"

const rig::Library& rig_library_faults();
std::vector<const rig::Library*> rig::compiled_libraries() { return {&rig_library_faults()}; }

using metal_test::expect;

namespace {

constexpr int kThreads = 64;

// Result of a kernel over 0 … 63; the buffers are exactly as large as they need to be.
std::vector<float> run(const std::string& name, rig::Schedule schedule, uint32_t groups = 1) {
  auto x = std::make_unique<float[]>(kThreads);
  auto y = std::make_unique<float[]>(kThreads);
  for (int i = 0; i < kThreads; ++i) x[i] = static_cast<float>(i), y[i] = 0;
  rig::Launch launch;
  launch.kernel = rig_library_faults().find(name);
  if (!launch.kernel) throw std::runtime_error("no kernel " + name);
  launch.buffers = {x.get(), y.get()};
  launch.groups = {groups, 1, 1};
  launch.threads = {kThreads, 1, 1};
  rig::LaunchOptions options;
  options.schedule = schedule;
  rig::launch(launch, options);
  return std::vector<float>(y.get(), y.get() + kThreads);
}

bool is_reversed(const std::vector<float>& y) {
  for (int i = 0; i < kThreads; ++i)
    if (y[static_cast<size_t>(i)] != static_cast<float>(kThreads - 1 - i)) return false;
  return true;
}

constexpr rig::Schedule kSchedules[] = {rig::Schedule::fifo, rig::Schedule::lifo, rig::Schedule::random};

// Caught: a Fault, or a wrong result under some schedule.
bool caught_here(const std::string& name) {
  for (const rig::Schedule schedule : kSchedules) try {
      if (!is_reversed(run(name, schedule))) return true;
    } catch (const rig::Fault& fault) {
      std::printf("    %s\n", fault.what());
      return true;
    }
  return false;
}

// Output of this program's own `--run name`.
std::string watched(const std::string& self, const std::string& name) {
  std::string output;
  FILE* pipe = popen((self + " --run " + name + " 2>&1").c_str(), "r");
  std::array<char, 4096> part;
  while (size_t size = fread(part.data(), 1, part.size(), pipe)) output.append(part.data(), size);
  output += "\nexit " + std::to_string(pclose(pipe));
  return output;
}

[[maybe_unused]] void expect_watched(const std::string& self, const std::string& name, const std::string& words) {
  const std::string output = watched(self, name);
  const bool found = output.find(words) != std::string::npos && output.find("faults.metal") != std::string::npos;
  expect(found, name + " was not caught with its line by the sanitizer: " + output.substr(0, 400));
  std::printf("  caught by the sanitizer: %s\n", name.c_str());
}

void plain_faults() {
  for (const char* name :
       {"missing_barrier", "wrong_stride", "off_by_one_tile", "divergent_barrier", "early_return",
        "uninitialised_memory", "float4_bitcast", "divergent_simd_sum", "divergent_matrix", "too_much_memory"}) {
    expect(caught_here(name), std::string(name) + " was not caught");
    std::printf("  caught: %s\n", name);
  }
}

void correct_kernels() {
  for (const char* name : {"reverse", "float4_conversion"})
    for (const rig::Schedule schedule : kSchedules)
      expect(is_reversed(run(name, schedule)), std::string(name) + " is right under every schedule");
}

}  // namespace

int main(int count, char** values) {
  if (count == 3 && std::strcmp(values[1], "--run") == 0) {
    run(values[2], rig::Schedule::fifo, std::strcmp(values[2], "race_between_groups") == 0 ? 4 : 1);
    return 0;
  }
  const std::string self = values[0];
  correct_kernels();
  if (!RIG_TSAN) plain_faults();  // what a stopped group leaves behind would count as races
#if RIG_ASAN
  for (const char* name : {"device_out_of_bounds", "threadgroup_out_of_bounds"})
    expect_watched(self, name, "AddressSanitizer");
#elif RIG_TSAN
  for (const char* name : {"missing_barrier", "barrier_without_memory", "non_atomic_sum", "race_between_groups"})
    expect_watched(self, name, "data race");
  expect(watched(self, "reverse").find("data race") == std::string::npos, "reverse has no race");
#endif
  return metal_test::finish("metal_rig");
}
