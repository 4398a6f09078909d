// Opening the backend, and the report that `afterimage doctor --metal` writes.
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "graph/error.h"
#include "metal/kernel_source.h"
#include "metal/measure.h"
#include "metal/metal_backend.h"
#include "metal/self_test.h"

namespace afterimage {
namespace metal {
namespace {

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

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

// A JSON object or list, member by member.
class Json {
 public:
  explicit Json(char open) : text_(1, open), close_(open == '{' ? '}' : ']') {}
  Json& add(const std::string& value) {
    if (text_.size() > 1) text_ += ", ";
    text_ += value;
    return *this;
  }
  Json& add(const char* name, const std::string& value) { return add(quoted(name) + ": " + value); }
  std::string text() const { return text_ + close_; }

 private:
  std::string text_;
  char close_;
};

std::string limits_json(const DeviceLimits& limits) {
  Json families('[');
  for (const std::string& family : limits.families) families.add(quoted(family));
  return Json('{')
      .add("name", quoted(limits.name))
      .add("system", quoted(limits.system))
      .add("families", families.text())
      .add("unified_memory", limits.unified_memory ? "true" : "false")
      .add("working_set_bytes", std::to_string(limits.working_set))
      .add("max_buffer_bytes", std::to_string(limits.max_buffer))
      .add("threadgroup_memory_bytes", std::to_string(limits.threadgroup_memory))
      .add("threads_per_threadgroup", std::to_string(limits.threads))
      .text();
}

// Tells how far the report is, before a step that may not end.
class Steps {
 public:
  Steps(const Json& report, const ReportOptions& options) : report_(report), reached_(options.reached) {}
  void operator()(const std::string& stage) const {
    if (reached_) reached_(Json(report_).add("stage", quoted(stage)).text());
  }

 private:
  const Json& report_;
  const std::function<void(const std::string&)>& reached_;
};

struct Compiled {
  std::string libraries, pipelines;
  int failed = 0;
};

// Every library twice, each pipeline once. The system keeps what it compiled: the second time is a later start's.
Compiled compile_all(MetalBackend& backend, bool with_pipelines, const Steps& step) {
  using Clock = std::chrono::steady_clock;
  Json libraries('['), pipelines('[');
  int failed = 0;
  for (const KernelSource& source : kernel_sources()) {
    const std::string family(source.family);
    step("compiling " + family);
    double seconds[2] = {};
    std::string error;
    std::unique_ptr<Library> library;
    for (double& time : seconds) {
      const auto start = Clock::now();
      library = backend.device().compile(source.text, error);
      time = std::chrono::duration<double>(Clock::now() - start).count();
      if (!library) break;
    }
    Json one('{');
    one.add("family", quoted(family)).add("seconds", number(seconds[0])).add("again_seconds", number(seconds[1]));
    if (!library) one.add("error", quoted(error));
    libraries.add(one.text());
    failed += library ? 0 : 1;
    if (!library || !with_pipelines) continue;
    for (const std::string& kernel : library->kernels()) {
      const auto start = Clock::now();
      std::string reason;
      const auto pipeline = backend.device().pipeline(*library, kernel, reason);
      Json made('{');
      made.add("kernel", quoted(kernel))
          .add("seconds", number(std::chrono::duration<double>(Clock::now() - start).count()));
      if (pipeline)
        made.add("max_threads", std::to_string(pipeline->max_threads()))
            .add("threadgroup_memory_bytes", std::to_string(pipeline->threadgroup_memory()));
      else
        made.add("error", quoted(reason));
      failed += pipeline ? 0 : 1;
      pipelines.add(made.text());
    }
  }
  return {libraries.text(), pipelines.text(), failed};
}

std::string verdict_json(const Verdict& v) {
  Json one('{');
  one.add("kernel", quoted(v.kernel))
      .add("cases", std::to_string(v.cases))
      .add("row_cases", std::to_string(v.row_cases));
  one.add("passed", v.failure.text.empty() ? "true" : "false");
  if (v.failure.text.empty())
    one.add("distance", number(v.distance));
  else
    one.add("failure", quoted(v.failure.text));
  return one.text();
}

std::string operators_json(const std::vector<Measured>& measured, double bandwidth) {
  Json operators('[');
  for (const Measured& m : measured) {
    const double share = bandwidth > 0 && m.seconds > 0 ? m.bytes / m.seconds / bandwidth : 0;
    operators.add(Json('{')
                      .add("name", quoted(m.name))
                      .add("seconds", number(m.seconds))
                      .add("share_of_copy_bandwidth", number(share))
                      .add("flop_per_second", number(m.seconds > 0 ? m.flop / m.seconds : 0))
                      .text());
  }
  return operators.text();
}

// With weights that fill memory as a model's do, and leave room for others.
void add_pauses(Json& report, MetalBackend& backend, const ReportOptions& options) {
  const size_t working_set = backend.device().limits().working_set;
  const size_t bytes = working_set ? std::min(options.resident_bytes, working_set / 4) : options.resident_bytes;
  std::vector<double> seconds;
  const std::string problem = measure_after_pauses(backend, options.pauses, bytes, options.width, seconds);
  Json pauses('[');
  for (size_t i = 0; i < seconds.size(); ++i)
    pauses.add(
        Json('{').add("pause_seconds", number(options.pauses[i])).add("decode_seconds", number(seconds[i])).text());
  report.add("after_pauses", pauses.text()).add("after_pauses_bytes", std::to_string(bytes));
  if (!problem.empty()) report.add("after_pauses_failure", quoted(problem));
}

void add_measures(Json& report, MetalBackend& backend, const ReportOptions& options, const Steps& step) {
  step("measuring the copy speed");
  const double bandwidth = measure_bandwidth(backend, options.width);
  report.add("copy_bytes_per_second", number(bandwidth));
  step("measuring operators");
  report.add("operators", operators_json(measure_operators(backend, options.width), bandwidth));
  step("measuring dispatches");
  const Latency latency = measure_latency(backend);
  report.add("empty_dispatch_seconds", number(latency.dispatch)).add("round_trip_seconds", number(latency.round_trip));
  report.add("matrix_order", quoted(matrix_order(backend)));
  step("measuring after pauses");
  add_pauses(report, backend, options);
  // Last: it asks for what macOS may refuse.
  step("measuring the longest dispatch");
  report.add("largest_dispatch_seconds", number(largest_dispatch(backend, options.dispatches, options.width / 2)));
}

void add_tests(Json& report, MetalBackend& backend, Backend& reference, const ReportOptions& options,
               const Steps& step) {
  step("reading in place");
  const std::string in_place = probe_in_place(backend).text;
  report.add("in_place", quoted(in_place.empty() ? "works" : in_place));
  int failed = 0;
  Json kernels('[');
  for (const Verdict& verdict : self_test(backend, reference, options.sizes, nullptr,
                                          [&](const std::string& kernel) { step("testing " + kernel); })) {
    kernels.add(verdict_json(verdict));
    failed += verdict.failure.text.empty() ? 0 : 1;
  }
  report.add("failed_kernels", std::to_string(failed)).add("kernels", kernels.text());
}

std::string report_on(OpenedDevice opened, Backend* reference, const ReportOptions& options) {
  Json report('{');
  const Steps step(report, options);
  report.add("available", "true").add("device", limits_json(opened.device->limits()));
  MetalBackend backend(std::move(opened.device), MetalOptions{});
  report.add("identity", quoted(backend.identity()));
  // A device that cannot run the kernels makes no pipelines of them; that their texts compile is shown all the same.
  const Compiled compiled = compile_all(backend, opened.reason.empty(), step);
  report.add("libraries", compiled.libraries).add("pipelines", compiled.pipelines);
  report.add("failed_to_compile", std::to_string(compiled.failed));
  if (options.compile_only) {
    if (!opened.reason.empty()) report.add("reason", quoted(opened.reason));
    return report.add("stage", quoted("compiled")).text();
  }
  try {
    add_tests(report, backend, *reference, options, step);
    add_measures(report, backend, options, step);
    return report.add("stage", quoted("measured")).text();
  } catch (const std::exception& error) {
    return report.add("stage", quoted("stopped")).add("reason", quoted(error.what())).text();
  }
}

}  // namespace
}  // namespace metal

std::unique_ptr<Backend> make_metal_backend(MetalOptions options) {
  const metal::ReleasePool pool;
  auto opened = metal::open_device();
  if (!opened.device)
    throw Error("BACKEND_FAILED", "There is no usable Metal device here: " + opened.reason + "; use the cpu backend.");
  return std::make_unique<metal::MetalBackend>(std::move(opened.device), std::move(options));
}

std::string metal_report(std::unique_ptr<Backend> reference, const ReportOptions& options) {
  const metal::ReleasePool pool;
  metal::Steps(metal::Json('{'), options)("opening");
  auto opened = metal::open_device(options.compile_only);
  if (opened.device) return metal::report_on(std::move(opened), reference.get(), options);
  return metal::Json('{')
      .add("available", "false")
      .add("stage", metal::quoted("open"))
      .add("reason", metal::quoted(opened.reason))
      .text();
}

}  // namespace afterimage
