// Backends on the fake Metal and small runs of theirs, for the tests of the host.
#pragma once
#include <atomic>
#include <string>
#include <vector>

#include "cpu/cpu_backend.h"
#include "graph/error.h"
#include "metal/backend_parts.h"
#include "metal/case_data.h"
#include "metal/metal_backend.h"
#include "metal_check.h"

namespace metal_test {

using namespace afterimage;
using namespace afterimage::metal;

inline std::vector<std::string> warnings;
inline const std::atomic<bool> never = false;

inline std::unique_ptr<Backend> open(bool with_cpu, bool self_test = false) {
  warnings.clear();
  MetalOptions options;
  if (with_cpu) options.cpu = make_cpu_backend({.threads = 1});
  options.warn = [](const std::string& text) { warnings.push_back(text); };
  options.self_test = self_test;
  return make_metal_backend(std::move(options));
}

inline std::unique_ptr<MetalBackend> open_alone() {
  return std::make_unique<MetalBackend>(open_device().device, MetalOptions{});
}

// Its message.
template <class F>
std::string expect_error(const char* code, const std::string& what, F f) {
  try {
    f();
    expect(false, what + ": no error");
  } catch (const Error& error) {
    expect(error.code() == code, what + ": " + error.code() + " " + error.what());
    return error.what();
  }
  return "";
}

inline Tensor constant_tensor(CaseRun& run, int64_t rows, int64_t width, float value) {
  const Tensor t = run.empty(rows, width);
  for (int64_t i = 0; i < rows * width; ++i) t.at<float>()[i] = value;
  return t;
}

// x + x repeated `times`: as many dispatches in one run.
inline float doubled(Backend& backend, int times, const std::atomic<bool>& cancel = never) {
  CaseRun run(backend);
  OpAttrs attrs;
  const Tensor x = constant_tensor(run, 4, 8, 1), y = run.empty(4, 8);
  std::vector<Dispatch> list;
  for (int i = 0; i < times; ++i) list.push_back({Op::Add, &attrs, {x, x}, {y}, {nullptr, nullptr}, nullptr});
  backend.run(list, cancel);
  return y.at<float>()[31];
}

}  // namespace metal_test
