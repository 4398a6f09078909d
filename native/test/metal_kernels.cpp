// Every kernel against the CPU backend in exact precision, through the real host file on the fake Metal.
//   metal_kernels [--schedule fifo|lifo|random] [--sizes 1,31,…] [--random-limits] [--delay] [--only KERNEL] [--seed N]
#include <cstring>
#include <map>
#include <sstream>

#include "cpu/cpu_backend.h"
#include "metal/backend_parts.h"
#include "metal/kernel_cases.h"
#include "metal/rig/fake/fake_metal.h"
#include "metal_check.h"

using namespace afterimage;
using metal_test::expect;

namespace {

struct Arguments {
  std::vector<int> sizes = {1, 31, 32, 33, 63, 64, 65, 127, 200};
  std::string only;
  rig::fake::Settings settings;
};

Arguments parse(int count, char** values) {
  Arguments a;
  for (int i = 1; i < count; ++i) {
    const std::string name = values[i];
    const std::string value = i + 1 < count ? values[i + 1] : "";
    if (name == "--random-limits")
      a.settings.random_limits = true;
    else if (name == "--delay")
      a.settings.delay_us = 200;
    else if (name == "--only")
      a.only = value;
    else if (name == "--seed")
      a.settings.seed = std::stoull(value);
    else if (name == "--schedule")
      a.settings.schedule = value == "lifo"     ? rig::Schedule::lifo
                            : value == "random" ? rig::Schedule::random
                                                : rig::Schedule::fifo;
    else if (name == "--sizes") {
      a.sizes.clear();
      std::stringstream list(value);
      for (std::string size; std::getline(list, size, ',');) a.sizes.push_back(std::stoi(size));
    }
  }
  return a;
}

void run_cases(const Arguments& arguments) {
  metal::MetalBackend backend(metal::open_device().device, MetalOptions{});
  const auto cpu = make_cpu_backend({.threads = 1});
  std::map<std::string, double> worst;
  int count = 0;
  for (const metal::KernelCase& one : metal::kernel_cases(arguments.sizes)) {
    if (one.of_rows) continue;  // metal_bits runs them
    if (!arguments.only.empty() && one.kernel.find(arguments.only) == std::string::npos) continue;
    ++count;
    const metal::Tested tested(one.kernel);
    try {
      const double d = metal::distance(one.run(backend), one.run(*cpu));
      worst[one.kernel] = std::max(worst[one.kernel], d);
      expect(d <= one.tolerance, one.kernel + " " + one.name + ": distance " + std::to_string(d));
    } catch (const std::exception& error) {
      expect(false, one.kernel + " " + one.name + ": " + error.what());
    }
  }
  std::printf("%d cases of %zu kernels\n", count, worst.size());
  // Each kernel must really have been launched, not another one in its place.
  const auto launches = rig::fake::counters().launches;
  for (const auto& [kernel, d] : worst) {
    std::printf("  %-24s %8.2g\n", kernel.c_str(), d);
    expect(launches.count(kernel) > 0, kernel + " was never launched");
  }
  if (arguments.only.empty())
    for (const rig::Library* library : rig::compiled_libraries())
      for (const rig::Kernel& kernel : library->kernels)
        expect(worst.count(kernel.name) > 0, std::string(kernel.name) + " has no case");
}

}  // namespace

int main(int count, char** values) {
  const Arguments arguments = parse(count, values);
  rig::fake::settings() = arguments.settings;
  run_cases(arguments);
  for (const std::string& text : rig::fake::violations()) expect(false, "violation: " + text);
  expect(rig::fake::live_objects() == 0, std::to_string(rig::fake::live_objects()) + " Metal objects leaked");
  return metal_test::finish("metal_kernels");
}
