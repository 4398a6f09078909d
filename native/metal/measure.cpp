#include "metal/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <thread>

#include "metal/case_data.h"
#include "metal/layout_params.h"
#include "metal/operators.h"
#include "metal/scratch_file.h"
#include "platform/mapped_file.h"

namespace afterimage::metal {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

double seconds_on_device(MetalBackend& backend, const std::function<void()>& run) {
  run();  // compiles, and touches what it needs
  std::vector<double> seconds;
  for (int i = 0; i < 5; ++i) {
    const double before = backend.gpu_seconds();
    run();
    seconds.push_back(backend.gpu_seconds() - before);
  }
  return median(seconds);
}

constexpr StoredKind kFourBits{WeightFormat::affine, 4, 64, ScaleType::bf16, "q4"};

constexpr StoredKind kHalf{WeightFormat::f16, 0, 0, ScaleType::bf16, "f16"};

Measured linear(MetalBackend& backend, const StoredKind& kind, int rows, int width) {
  CaseRun run(backend);
  const auto stored = stored_weight(kind, 1, width, width, 3);
  OpAttrs attrs;
  const Dispatch d{Op::Linear,
                   &attrs,
                   {run.floats(rows, width, 1)},
                   {run.empty(rows, width)},
                   {run.weight(*stored, kUseMatrix), nullptr},
                   nullptr};
  const double elements = double{1} * width * width;
  const double element_bytes = kind.bits ? 0.5 + 4.0 / 64 : 2;
  return {std::string("linear ") + kind.name + ", " + std::to_string(rows) + " rows of " + std::to_string(width),
          seconds_on_device(backend, [&] { run.run(d); }), elements * element_bytes, 2 * elements * rows};
}

Measured attention(MetalBackend& backend, int rows, int positions) {
  constexpr int kHeads = 8, kKvHeads = 2, kDim = 128;
  CaseRun run(backend);
  const KvLayout kv({{kKvHeads, kDim, kDim}}, KvType::f16);
  std::vector<Memory*> blocks;
  for (int i = 0; i < (positions + 63) / 64; ++i) blocks.push_back(run.memory(kv.block_bytes()));
  OpAttrs a;
  a.heads = kHeads;
  a.kv_heads = kKvHeads;
  a.k_dim = a.v_dim = kDim;
  a.scale = 0.1f;
  RowBatch batch;
  batch.kv = &kv;
  batch.sequences.push_back({0, rows, positions - rows, blocks, nullptr});
  for (int r = 0; r < rows; ++r) batch.visible_end.push_back(positions - rows + r + 1);
  const Dispatch d{
      Op::Attention,
      &a,
      {run.floats(rows, kHeads * kDim, 1), run.floats(rows, kKvHeads * kDim, 2), run.floats(rows, kKvHeads * kDim, 3)},
      {run.empty(rows, kHeads * kDim)},
      {nullptr, nullptr},
      &batch};
  const double seconds = seconds_on_device(backend, [&] { run.run(d); });
  return {"attention f16, " + std::to_string(rows) + " rows at " + std::to_string(positions), seconds,
          double{1} * positions * kKvHeads * kDim * 4, 4.0 * rows * positions * kHeads * kDim};
}

// One segment, as a picture's patches are in most layers of most towers.
Measured segment_attention(MetalBackend& backend, int rows) {
  constexpr int kHeads = 16, kDim = 64, kWidth = kHeads * kDim;
  CaseRun run(backend);
  OpAttrs a;
  a.heads = a.kv_heads = kHeads;
  a.k_dim = a.v_dim = kDim;
  a.scale = 0.125f;
  const Dispatch d{
      Op::SegmentAttention,
      &a,
      {run.floats(rows, kWidth, 1), run.floats(rows, kWidth, 2), run.floats(rows, kWidth, 3), run.ints({0, rows}, 1)},
      {run.empty(rows, kWidth)},
      {nullptr, nullptr},
      nullptr};
  return {"segment attention, " + std::to_string(rows) + " rows", seconds_on_device(backend, [&] { run.run(d); }),
          4.0 * rows * kWidth * 4, 4.0 * rows * rows * kWidth};
}

// As a file of weights: finite half floats.
bool fill(const std::string& path, size_t bytes) {
  std::vector<uint16_t> part(size_t{1} << 19);
  Random random(29);
  for (uint16_t& value : part) value = random.bits() & 0xbbff;
  platform::NewFile file(path);
  if (!file.opened()) return false;
  for (size_t done = 0; done < bytes;) {
    const size_t wanted = std::min(part.size() * 2, bytes - done);
    if (file.write(part.data(), wanted) != wanted) return false;
    done += wanted;
  }
  return file.finish();
}

// Dispatches without elements, `count` in one command buffer; seconds from commit to the end, and on the device.
std::pair<double, double> empty_dispatches(MetalBackend& backend, int count) {
  const auto target = backend.allocate(64);
  const auto commands = backend.device().begin();
  const LayoutParams nothing{0, 0, 0, 0};
  for (int i = 0; i < count; ++i) {
    commands->pipeline(backend.pipelines().get("layout", "copy_elements", 256));
    commands->bind(0, buffer_of(target.get()), 0);
    commands->bind(2, buffer_of(target.get()), 0);
    commands->constants(3, &nothing, sizeof nothing);
    commands->dispatch({1, 1, 1}, 256);
    commands->barrier();
  }
  const auto start = Clock::now();
  commands->commit();
  const Outcome outcome = commands->wait();
  return {since(start), outcome.gpu_seconds};
}

}  // namespace

double measure_bandwidth(MetalBackend& backend, int width) {
  const int64_t elements = int64_t{4096} * width;
  CaseRun run(backend);
  OpAttrs attrs;
  attrs.factor = 1;
  const Dispatch d{Op::Regroup, &attrs, {run.empty(elements / 1024, 1024)}, {run.empty(elements / 1024, 1024)},
                   {},          nullptr};
  const double seconds = seconds_on_device(backend, [&] { run.run(d); });
  return seconds > 0 ? 8.0 * static_cast<double>(elements) / seconds : 0;
}

std::vector<Measured> measure_operators(MetalBackend& backend, int width) {
  return {linear(backend, kFourBits, 1, width),
          linear(backend, kFourBits, 128, width / 2),
          linear(backend, kHalf, 128, width / 2),
          attention(backend, 1, width),
          attention(backend, 128, std::max(128, width / 4)),
          segment_attention(backend, std::max(128, width / 4))};
}

Latency measure_latency(MetalBackend& backend) {
  constexpr int kMany = 100;
  std::vector<double> trips, one, many;
  for (int i = 0; i < 5; ++i) {
    const auto [trip, device] = empty_dispatches(backend, 1);
    trips.push_back(trip);
    one.push_back(device);
    many.push_back(empty_dispatches(backend, kMany).second);
  }
  return {std::max(0.0, median(many) - median(one)) / (kMany - 1), median(trips)};
}

std::string measure_after_pauses(MetalBackend& backend, const std::vector<double>& pauses, size_t bytes, int width,
                                 std::vector<double>& seconds) {
  constexpr size_t kMatrices = 16;
  const size_t row_bytes = static_cast<size_t>(width) * 2, rows = bytes / kMatrices / row_bytes;
  const ScratchFile scratch;
  if (!fill(scratch.path, kMatrices * rows * row_bytes))
    return "the test file " + scratch.path + " cannot be written (" + platform::last_problem() + ")";
  const MappedFile file(scratch.path);
  CaseRun run(backend);
  OpAttrs attrs;
  const Tensor x = run.floats(1, width, 1), y = run.empty(1, static_cast<int64_t>(rows));
  std::vector<std::unique_ptr<Weight>> weights;
  std::vector<Dispatch> list;
  for (size_t i = 0; i < kMatrices; ++i) {
    WeightSource source;
    source.name = "matrix";
    source.format = WeightFormat::f16;
    source.rows = static_cast<int64_t>(rows);
    source.columns = width;
    source.row_bytes = row_bytes;
    source.data = file.data() + i * rows * row_bytes;
    weights.push_back(backend.prepare(source, kUseMatrix, Precision::exact));
    list.push_back({Op::Linear, &attrs, {x}, {y}, {weights.back().get(), nullptr}, nullptr});
  }
  const std::atomic<bool> cancel = false;
  backend.run(list, cancel);
  for (const double pause : pauses) {
    std::this_thread::sleep_for(std::chrono::duration<double>(pause));
    const auto start = Clock::now();
    backend.run(list, cancel);
    seconds.push_back(since(start));
  }
  return "";
}

// Eight products that each order sums to something else: the small ones are lost where they meet a large one.
std::string matrix_order(MetalBackend& backend) {
  const float values[8] = {1, 0x1p24f, 1, -0x1p24f, 0x1p25f, 1, 1, -0x1p25f};
  CaseRun run(backend);
  const auto stored = stored_weight({WeightFormat::f32, 0, 0, ScaleType::f32, "f32"}, 1, 1, 8, 1);
  for (int i = 0; i < 8; ++i) std::memcpy(stored->data.data() + 4 * i, &values[i], 4);
  OpAttrs attrs;
  const Tensor x = run.empty(1, 8);
  for (int i = 0; i < 8; ++i) x.at<float>()[i] = 1;
  const Dispatch d{Op::Linear, &attrs, {x}, {run.empty(1, 1)}, {run.weight(*stored, kUseMatrix), nullptr}, nullptr};
  run.run(d);
  float up = 0, down = 0;
  double exact = 0;
  for (int i = 0; i < 8; ++i) {
    up += values[i];
    down += values[7 - i];
    exact += values[i];
  }
  const float pairs =
      ((values[0] + values[1]) + (values[2] + values[3])) + ((values[4] + values[5]) + (values[6] + values[7]));
  const float found = d.out[0].at<float>()[0];
  if (found == up) return "ascending";
  if (found == down) return "descending";
  if (found == pairs) return "pairs";
  return found == static_cast<float>(exact) ? "exact" : "other";
}

// Work is scaled by more threadgroups on the same matrix: those beyond its last row compute on zeros.
double largest_dispatch(MetalBackend& backend, const std::vector<double>& wanted, int width) {
  constexpr uint32_t kFirst = 4;  // times the matrix: a millisecond or so
  const auto size = static_cast<uint32_t>(width);
  CaseRun run(backend);
  const auto stored = stored_weight({WeightFormat::f32, 0, 0, ScaleType::f32, "f32"}, 1, size, size, 3);
  const Tensor x = run.floats(32, size, 1), y = run.empty(32, size);
  const auto weight = run.weight(*stored, kUseMatrix);
  const auto seconds_of = [&](uint32_t times) {
    const auto commands = backend.device().begin();
    const LinearParams params = matrix_alone(*static_cast<const MetalWeight*>(weight), 32);
    commands->pipeline(backend.pipelines().get("linear_matrix", "linear_f32_32", 128));
    for (uint32_t index = 0; index < 19; ++index) commands->bind(index, buffer_of((index ? y : x).memory), 0);
    const Placement data = static_cast<const MetalWeight*>(weight)->data();
    commands->bind(1, *data.buffer, data.offset);
    commands->constants(19, &params, sizeof params);
    commands->dispatch({size / 32 * times, 1, 1}, 128);
    commands->commit();
    const Outcome outcome = commands->wait();
    return outcome.error.empty() ? outcome.gpu_seconds : -1;
  };
  seconds_of(kFirst);
  const double each = seconds_of(kFirst) / kFirst;
  double survived = 0;
  for (const double seconds : wanted) {
    if (each <= 0) break;
    const double found = seconds_of(static_cast<uint32_t>(std::min(1e6, std::ceil(seconds / each))));
    if (found < 0) break;
    survived = std::max(survived, found);
  }
  return survived;
}

}  // namespace afterimage::metal
