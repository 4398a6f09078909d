#include "addon/backend_choice.h"

#include <cstdio>
#include <cstdlib>

#include "cpu/cpu_backend.h"
#include "graph/error.h"
#ifdef AFTERIMAGE_HAS_METAL
#include "metal/metal_backend.h"
#endif

namespace afterimage::addon {

namespace {

std::unique_ptr<Backend> cpu_backend(int threads) {
  CpuOptions options;
  options.threads = threads;
  return make_cpu_backend(options);
}

#ifdef AFTERIMAGE_HAS_METAL
// Beside the other things that are kept for the next start; nowhere where there is no home.
std::string verdict_file() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache && cache[0] == '/') return std::string(cache) + "/afterimage/metal-verdicts";
  const char* home = std::getenv("HOME");
  return home && home[0] == '/' ? std::string(home) + "/.cache/afterimage/metal-verdicts" : "";
}

// Kernels prove themselves against the CPU before they are trusted; what fails is replaced and said once, on stderr.
MetalOptions metal_options(int threads) {
  MetalOptions options;
  options.cpu = cpu_backend(threads);
  options.warn = [](const std::string& sentence) { std::fprintf(stderr, "afterimage: %s\n", sentence.c_str()); };
  options.self_test = true;
  options.verdicts = verdict_file();
  return options;
}
#endif

}  // namespace

std::string metal_report_json([[maybe_unused]] bool compile_only,
                              [[maybe_unused]] std::function<void(const std::string&)> reached) {
#ifdef AFTERIMAGE_HAS_METAL
  ReportOptions options;
  options.compile_only = compile_only;
  options.reached = std::move(reached);
  return metal_report(cpu_backend(0), options);
#else
  return R"({"available": false, "stage": "open", "reason": "This build has no Metal backend; it is built on macOS."})";
#endif
}

std::unique_ptr<Backend> make_backend(const std::string& name, int threads, Precision precision) {
  if (name == "cpu") return cpu_backend(threads);
  if (precision == Precision::faster)
    throw Error("INVALID_ARGUMENT", "The backend \"" + name + "\" has no precision \"faster\"; use --precision fast.");
#ifdef AFTERIMAGE_HAS_METAL
  if (name == "metal") return make_metal_backend(metal_options(threads));
#endif
  throw Error("INVALID_ARGUMENT", "This build has no backend named \"" + name + "\"; use --backend cpu.");
}

size_t weight_bytes(const std::string& name, const WeightSource& described, uint32_t uses, Precision precision) {
  if (name == "cpu") return cpu_weight_bytes(described, uses, precision);
  const size_t elements = static_cast<size_t>(described.experts * described.rows * described.columns);
  if (uses & (kUseVector | kUseKernel | kUseKernel3x3)) return elements * sizeof(float);
  const size_t scales = described.scale_row_bytes * (described.format == WeightFormat::affine ? 2 : 1);
  return static_cast<size_t>(described.experts * described.rows) * (described.row_bytes + scales);
}

Precision precision_of(const std::string& name) {
  if (name == "exact") return Precision::exact;
  if (name == "fast") return Precision::fast;
  if (name == "faster") return Precision::faster;
  throw Error("INVALID_ARGUMENT", "Expected exact, fast or faster for precision but received \"" + name + "\".");
}

KvType kv_type_of(const std::string& name) {
  if (name == "f32") return KvType::f32;
  if (name == "f16") return KvType::f16;
  if (name == "bf16") return KvType::bf16;
  if (name == "q8") return KvType::q8;
  throw Error("INVALID_ARGUMENT",
              "Expected f32, f16, bf16 or q8 for the KV element type but received \"" + name + "\".");
}

}  // namespace afterimage::addon
