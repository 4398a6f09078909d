// Kernels of the CPU backend at the shapes of real models, against peaks measured in the same run.
//   kernels [--threads N] [--isa N of CpuIsa] [--faster] [--attention]
// --attention leaves out everything else.
// Weights and activations are random; a figure is the best of the repeats that fit a second,
// like the peaks it is compared with: other processes only ever add time.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <random>
#include <string>

#include "bench/peaks.h"
#include "cpu/cpu_backend.h"
#include "cpu/cpu_features.h"
#include "cpu/thread_pool.h"
#include "platform/processors.h"

using namespace afterimage;

namespace {

// On one thread processor time is counted, which other processes on the machine do not lengthen.
double now(int threads) {
  if (threads == 1) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double seconds_of(int threads, const std::function<void()>& action) {
  action();
  double best = 1e30, total = 0;
  for (int repeat = 0; repeat < 3 || (total < 1.0 && repeat < 200); ++repeat) {
    const double start = now(threads);
    action();
    const double seconds = now(threads) - start;
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

struct Bench {
  Backend& backend;
  int threads;
  Peaks peaks;
  std::mt19937 generator{1};
  Precision precision = Precision::fast;
  std::vector<std::unique_ptr<Memory>> memories;

  Tensor random_tensor(int64_t rows, int64_t width) {
    memories.push_back(backend.allocate(static_cast<size_t>(rows * width) * 4));
    Tensor t{memories.back().get(), 0, rows, width, DType::f32};
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (int64_t i = 0; i < rows * width; ++i) t.at<float>()[i] = uniform(generator);
    return t;
  }

  void run(const Dispatch& d) {
    const std::atomic<bool> cancel{false};
    backend.run({&d, 1}, cancel);
  }
};

// Random bytes; only the timing matters, so scales are a fixed small number.
struct RandomWeight {
  std::vector<std::byte> data, scales, biases;
  WeightSource source;
  RandomWeight(WeightFormat format, int bits, int group, int64_t rows, int64_t columns, std::mt19937& generator) {
    source.format = format;
    source.rows = rows;
    source.columns = columns;
    source.bits = bits;
    source.group = group;
    source.row_bytes = static_cast<size_t>(columns * bits / 8);
    data.resize(source.row_bytes * static_cast<size_t>(rows));
    // As bf16: high bytes 0x3c–0x3f, so that no number is subnormal and slows an instruction down.
    for (size_t i = 0; i < data.size(); ++i)
      data[i] = std::byte(i % 2 && bits == 16 ? 0x3cu | (generator() & 3u) : generator() & 0xffu);
    if (group > 0) {
      const auto groups = static_cast<size_t>(rows * columns / group);
      source.scale_type = ScaleType::bf16;
      source.scale_row_bytes = static_cast<size_t>(columns / group) * 2;
      scales.assign(groups * 2, std::byte{0x3c});
      biases.assign(groups * 2, std::byte{0xbc});
      source.scales = scales.data();
      source.biases = biases.data();
    }
    source.data = data.data();
  }
};

void linear(Bench& b, const char* name, const RandomWeight& stored, int64_t rows, double peak, const char* unit,
            uint32_t uses = 0) {
  const auto weight = b.backend.prepare(stored.source, kUseMatrix | uses, b.precision);
  const Tensor x = b.random_tensor(rows, stored.source.columns), y = b.random_tensor(rows, stored.source.rows);
  const OpAttrs attrs;
  const double s = seconds_of(b.threads, [&] {
    b.run({Op::Linear, &attrs, {x}, {y}, {weight.get()}, nullptr, b.precision});
  });
  const double operations = 2e-9 * static_cast<double>(rows * stored.source.rows * stored.source.columns) / s;
  const double bandwidth = 1e-9 * static_cast<double>(weight->bytes()) / s;
  const bool stream = std::strcmp(unit, "GB/s") == 0;
  std::printf("%-34s %9.3f ms %9.1f Gop/s %7.1f GB/s %5.0f %% of %s\n", name, s * 1e3, operations, bandwidth,
              100 * (stream ? bandwidth : operations) / peak, stream ? "bandwidth" : "peak");
  std::fflush(stdout);
}

// GEMV over several matrices larger than the last-level cache together, as a decoder reads them.
void decode(Bench& b, const char* name, WeightFormat format, int bits, int group, int64_t out, int64_t in,
            size_t copies) {
  const RandomWeight stored(format, bits, group, out, in, b.generator);
  std::vector<std::unique_ptr<Weight>> weights;
  std::vector<Dispatch> dispatches;
  const OpAttrs attrs;
  const Tensor x = b.random_tensor(1, in), y = b.random_tensor(1, out);
  size_t bytes = 0;
  for (size_t i = 0; i < copies; ++i) {
    weights.push_back(b.backend.prepare(stored.source, kUseMatrix, b.precision));
    bytes += weights.back()->bytes();
    dispatches.push_back({Op::Linear, &attrs, {x}, {y}, {weights.back().get()}, nullptr, b.precision});
  }
  const std::atomic<bool> cancel{false};
  const double s = seconds_of(b.threads, [&] { b.backend.run(dispatches, cancel); });
  const double bandwidth = 1e-9 * static_cast<double>(bytes) / s;
  std::printf("%-34s %9.3f ms %9.1f Gop/s %7.1f GB/s %5.0f %% of bandwidth\n", name,
              s * 1e3 / static_cast<double>(copies),
              2e-9 * static_cast<double>(copies) * static_cast<double>(out * in) / s, bandwidth,
              100 * bandwidth / b.peaks.read);
  std::fflush(stdout);
}

void vision_attention(Bench& b, const char* name, int64_t rows, int32_t heads, int32_t dim, int64_t segment) {
  OpAttrs a;
  a.heads = a.kv_heads = heads;
  a.k_dim = a.v_dim = dim;
  a.scale = 0.1f;
  const Tensor q = b.random_tensor(rows, heads * dim), k = b.random_tensor(rows, heads * dim),
               v = b.random_tensor(rows, heads * dim);
  const Tensor y = b.random_tensor(rows, heads * dim);
  Tensor bounds = b.random_tensor((rows + segment - 1) / segment + 1, 1);
  bounds.dtype = DType::i32;
  double pairs = 0;
  for (int64_t s = 0; s < bounds.rows; ++s) {
    bounds.at<int32_t>()[s] = static_cast<int32_t>(std::min(rows, s * segment));
    if (s > 0) pairs += std::pow(bounds.at<int32_t>()[s] - bounds.at<int32_t>()[s - 1], 2);
  }
  const double s = seconds_of(b.threads, [&] {
    b.run({Op::SegmentAttention, &a, {q, k, v, bounds}, {y}, {}, nullptr, b.precision});
  });
  const double operations = 4e-9 * pairs * heads * dim / s;
  std::printf("%-34s %9.3f ms %9.1f Gop/s %20.0f %% of peak\n", name, s * 1e3, operations,
              100 * operations / b.peaks.floats);
  std::fflush(stdout);
}

// A chunk of `rows` at the end of `positions` cached ones.
void cache_attention(Bench& b, const char* name, int64_t positions, int64_t rows, KvType type) {
  OpAttrs a;
  a.heads = 12;
  a.kv_heads = 2;
  a.k_dim = a.v_dim = 128;
  a.scale = 0.1f;
  const KvLayout layout({{2, 128, 128}}, type);
  std::vector<Memory*> blocks;
  for (int64_t p = 0; p < positions; p += kBlockPositions) {
    b.memories.push_back(b.backend.allocate(layout.block_bytes()));
    std::memset(b.memories.back()->host(), 0, layout.block_bytes());
    blocks.push_back(b.memories.back().get());
  }
  RowBatch batch;
  batch.kv = &layout;
  batch.sequences.push_back({0, static_cast<int32_t>(rows), positions - rows, blocks, nullptr});
  for (int64_t r = 0; r < rows; ++r) batch.visible_end.push_back(static_cast<int32_t>(positions - rows + r + 1));
  const Tensor q = b.random_tensor(rows, 12 * 128), k = b.random_tensor(rows, 256), v = b.random_tensor(rows, 256),
               y = b.random_tensor(rows, 12 * 128);
  const double s = seconds_of(b.threads, [&] { b.run({Op::Attention, &a, {q, k, v}, {y}, {}, &batch, b.precision}); });
  const double operations = 4e-9 * static_cast<double>(rows) *
                            (static_cast<double>(positions) - static_cast<double>(rows) / 2) * 12 * 128 / s;
  std::printf("%-34s %9.3f ms %9.1f Gop/s %7.1f GB/s\n", name, s * 1e3, operations,
              1e-9 * static_cast<double>(blocks.size() * layout.block_bytes()) / s);
  std::fflush(stdout);
}

void run_matrices(Bench& b, double integers) {
  const RandomWeight four(WeightFormat::affine, 4, 64, 11008, 2048, b.generator);
  const RandomWeight eight(WeightFormat::affine, 8, 64, 11008, 2048, b.generator);
  const RandomWeight half(WeightFormat::bf16, 16, 0, 5120, 1280, b.generator);
  linear(b, "GEMM 256 x 11008x2048, 4 bit", four, 256, integers, "Gop/s");
  linear(b, "GEMM 256 x 11008x2048, 8 bit", eight, 256, integers, "Gop/s");
  linear(b, "GEMM 256 x 5120x1280, bf16", half, 256, b.peaks.floats, "Gop/s", kUseInEncoder);
  linear(b, "5 rows x 11008x2048, 4 bit", four, 5, b.peaks.read, "GB/s");
  decode(b, "GEMV 11008x2048, 4 bit", WeightFormat::affine, 4, 64, 11008, 2048, 48);
  decode(b, "GEMV 11008x2048, 8 bit", WeightFormat::affine, 8, 64, 11008, 2048, 24);
  decode(b, "GEMV 8192x2048, bf16", WeightFormat::bf16, 16, 0, 8192, 2048, 20);
  decode(b, "GEMV 576x576, 4 bit", WeightFormat::affine, 4, 64, 576, 576, 500);
}

}  // namespace

int main(int argc, char** argv) {
  CpuOptions options;
  Precision precision = Precision::fast;
  bool matrices = true;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--threads") && i + 1 < argc)
      options.threads = std::atoi(argv[++i]);
    else if (!std::strcmp(argv[i], "--isa") && i + 1 < argc)
      options.isa = std::atoi(argv[++i]);
    else if (!std::strcmp(argv[i], "--faster"))
      precision = Precision::faster;
    else if (!std::strcmp(argv[i], "--attention"))
      matrices = false;
  }
  if (options.threads <= 0) options.threads = physical_cores();
  const auto backend = make_cpu_backend(options);
  Bench b{*backend, options.threads, measure_peaks(options.threads), std::mt19937{1}, precision, {}};
  std::printf("%s · read %.1f GB/s, float dot %.0f GFLOP/s, int8 dot %.0f Gop/s\n", backend->identity().c_str(),
              b.peaks.read, b.peaks.floats, b.peaks.integers);
  if (matrices) run_matrices(b, precision == Precision::faster ? b.peaks.integers : b.peaks.integers / 2);
  vision_attention(b, "attention d 80, 5336 patches", 5336, 4, 80, 5336);
  vision_attention(b, "attention d 80, windows of 64", 5336, 16, 80, 64);
  vision_attention(b, "attention d 64, 1024 patches", 1024, 12, 64, 1024);
  cache_attention(b, "prefill 256 at 2048, 12/2 heads", 2048, 256, KvType::f16);
  cache_attention(b, "decode at 2048, 12/2 heads, f16", 2048, 1, KvType::f16);
  cache_attention(b, "decode at 2048, 12/2 heads, q8", 2048, 1, KvType::q8);
  const Peaks after = measure_peaks(options.threads);
  std::printf("after: read %.1f GB/s, float dot %.0f GFLOP/s, int8 dot %.0f Gop/s\n", after.read, after.floats,
              after.integers);
  return 0;
}
