// Opening the backend, and the report that `afterimage doctor --metal` prints.
#include <cstdio>

#include "graph/error.h"
#include "metal/metal_backend.h"
#include "metal/self_test.h"

namespace afterimage {
namespace {

constexpr int kSelfTestSizes[] = {1, 33, 65};

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      out += ' ';
    else
      out += c;
  }
  return out + '"';
}

std::string verdict_json(const metal::Verdict& v) {
  char distance[32];
  std::snprintf(distance, sizeof distance, "%.3g", v.distance);
  return "{\"kernel\": " + quoted(v.kernel) + ", \"cases\": " + std::to_string(v.cases) +
         ", \"passed\": " + (v.failure.empty() ? "true" : "false") +
         (v.failure.empty() ? ", \"distance\": " + std::string(distance) : ", \"failure\": " + quoted(v.failure)) + "}";
}

std::string limits_json(const metal::DeviceLimits& limits) {
  std::string families;
  for (const std::string& family : limits.families) families += (families.empty() ? "" : ", ") + quoted(family);
  return "\"device\": " + quoted(limits.name) + ", \"families\": [" + families +
         "], \"unified_memory\": " + (limits.unified_memory ? "true" : "false") +
         ", \"working_set_bytes\": " + std::to_string(limits.working_set) +
         ", \"max_buffer_bytes\": " + std::to_string(limits.max_buffer) +
         ", \"threadgroup_memory_bytes\": " + std::to_string(limits.threadgroup_memory) +
         ", \"threads_per_threadgroup\": " + std::to_string(limits.threads);
}

}  // namespace

std::unique_ptr<Backend> make_metal_backend(MetalOptions options) {
  const metal::ReleasePool pool;
  auto opened = metal::open_device();
  if (!opened.device)
    throw Error("BACKEND_FAILED", "There is no usable Metal device here: " + opened.reason + "; use the cpu backend.");
  auto backend = std::make_unique<metal::MetalBackend>(std::move(opened.device), std::move(options.cpu), options.warn);
  if (options.self_test && backend->cpu()) {
    for (const metal::Verdict& verdict : metal::self_test(*backend, *backend->cpu(), kSelfTestSizes))
      if (!verdict.failure.empty()) backend->replaced(verdict.kernel, verdict.failure);
  }
  return backend;
}

std::string metal_report(std::unique_ptr<Backend> reference) {
  const metal::ReleasePool pool;
  auto opened = metal::open_device();
  if (!opened.device) return "{\"available\": false, \"reason\": " + quoted(opened.reason) + "}";
  metal::MetalBackend backend(std::move(opened.device), nullptr, nullptr);
  std::string kernels;
  int failed = 0;
  for (const metal::Verdict& verdict : metal::self_test(backend, *reference, kSelfTestSizes)) {
    kernels += (kernels.empty() ? "" : ", ") + verdict_json(verdict);
    failed += verdict.failure.empty() ? 0 : 1;
  }
  return "{\"available\": true, \"identity\": " + quoted(backend.identity()) + ", " +
         limits_json(backend.device().limits()) +
         ", \"copy_bytes_per_second\": " + std::to_string(static_cast<int64_t>(metal::measure_bandwidth(backend))) +
         ", \"failed_kernels\": " + std::to_string(failed) + ", \"kernels\": [" + kernels + "]}";
}

}  // namespace afterimage
