#include "metal/case_data.h"

#include <cstring>

namespace afterimage::metal {
namespace {

constexpr StoredKind kKinds[] = {
    {WeightFormat::f32, 0, 0, ScaleType::f32, "f32"},
    {WeightFormat::f16, 0, 0, ScaleType::f16, "f16"},
    {WeightFormat::bf16, 0, 0, ScaleType::bf16, "bf16"},
    {WeightFormat::affine, 2, 32, ScaleType::bf16, "q2"},
    {WeightFormat::affine, 2, 64, ScaleType::f16, "q2"},
    {WeightFormat::affine, 3, 64, ScaleType::f16, "q3"},
    {WeightFormat::affine, 3, 32, ScaleType::bf16, "q3"},
    {WeightFormat::affine, 4, 64, ScaleType::bf16, "q4"},
    {WeightFormat::affine, 4, 32, ScaleType::f16, "q4"},
    {WeightFormat::affine, 5, 32, ScaleType::f32, "q5"},
    {WeightFormat::affine, 5, 64, ScaleType::f16, "q5"},
    {WeightFormat::affine, 5, 32, ScaleType::bf16, "q5"},
    {WeightFormat::affine, 6, 64, ScaleType::f16, "q6"},
    {WeightFormat::affine, 6, 32, ScaleType::bf16, "q6"},
    {WeightFormat::affine, 8, 32, ScaleType::bf16, "q8"},
    {WeightFormat::affine, 8, 64, ScaleType::f16, "q8"},
    {WeightFormat::mxfp4, 4, 32, ScaleType::u8, "e2m1"},
    {WeightFormat::nvfp4, 4, 16, ScaleType::u8, "e2m1"},
    {WeightFormat::mxfp8, 8, 32, ScaleType::u8, "e4m3"},
    {WeightFormat::fp8_block, 8, 32, ScaleType::f32, "e4m3"},
    {WeightFormat::int4_symmetric, 4, 32, ScaleType::bf16, "q4"},
};
uint16_t half_bits(float value) {
  // Exact for the small set used here: multiples of 2⁻¹⁰ in [2⁻³, 2).
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const uint32_t exponent = ((bits >> 23) & 255) - 112;
  return static_cast<uint16_t>(((bits >> 16) & 0x8000) | (exponent << 10) | ((bits >> 13) & 1023));
}

void put_scalar(std::byte* to, ScaleType type, float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const uint16_t narrow = type == ScaleType::f16 ? half_bits(value) : static_cast<uint16_t>(bits >> 16);
  if (type == ScaleType::f32)
    std::memcpy(to, &value, 4);
  else
    std::memcpy(to, &narrow, 2);
}

size_t scalar_bytes(ScaleType type) { return type == ScaleType::u8 ? 1 : (type == ScaleType::f32 ? 4 : 2); }

ScaleType float_type(WeightFormat format) {
  return format == WeightFormat::f32 ? ScaleType::f32
                                     : (format == WeightFormat::f16 ? ScaleType::f16 : ScaleType::bf16);
}

// Multiples of 2⁻⁷ with magnitude in [2⁻³, 2): exact in every float type, of either sign.
float exact_value(Random& random) {
  const float magnitude = 0.125f + static_cast<float>(random.bits() % 112) / 64.0f;
  return random.bits() & 1 ? -magnitude : magnitude;
}

void fill_floats(StoredWeight& w, Random& random) {
  const ScaleType type = float_type(w.source.format);
  const size_t count = static_cast<size_t>(w.source.experts * w.source.rows * w.source.columns);
  w.data.resize(count * scalar_bytes(type));
  for (size_t i = 0; i < count; ++i) put_scalar(w.data.data() + i * scalar_bytes(type), type, exact_value(random));
  w.source.row_bytes = static_cast<size_t>(w.source.columns) * scalar_bytes(type);
}

void fill_scales(StoredWeight& w, Random& random, bool biases) {
  const ScaleType type = w.source.scale_type;
  const bool block = w.source.format == WeightFormat::fp8_block;
  const int64_t group = block ? w.source.block[1] : w.source.group;
  const int64_t per = block ? w.source.block[0] : 1;
  const size_t columns = static_cast<size_t>((w.source.columns + group - 1) / group);
  const size_t rows = static_cast<size_t>(w.source.experts * ((w.source.rows + per - 1) / per));
  w.source.scale_row_bytes = columns * scalar_bytes(type);
  auto fill = [&](std::vector<std::byte>& bytes, float size) {
    bytes.resize(rows * w.source.scale_row_bytes);
    for (size_t i = 0; i < rows * columns; ++i) {
      std::byte* to = bytes.data() + i * scalar_bytes(type);
      if (type != ScaleType::u8)
        put_scalar(to, type, exact_value(random) * size);
      else
        *to = static_cast<std::byte>(w.source.format == WeightFormat::nvfp4 ? 40 + random.bits() % 16
                                                                            : 122 + random.bits() % 4);
    }
  };
  fill(w.scales, type == ScaleType::f16 ? 1.0f : 0.0625f);
  if (biases) fill(w.biases, 1.0f);
}

}  // namespace

std::span<const StoredKind> stored_kinds() { return kKinds; }

uint32_t Random::bits() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return static_cast<uint32_t>((z ^ (z >> 31)) >> 32);
}

float Random::uniform(float low, float high) { return low + (high - low) * static_cast<float>(bits() >> 8) * 0x1p-24f; }

std::unique_ptr<StoredWeight> stored_weight(const StoredKind& kind, int64_t experts, int64_t rows, int64_t columns,
                                            uint32_t seed) {
  auto w = std::make_unique<StoredWeight>();
  Random random(seed);
  WeightSource& s = w->source;
  s.name = kind.name;
  s.format = kind.format;
  s.experts = experts;
  s.rows = rows;
  s.columns = columns;
  if (kind.bits == 0) {
    fill_floats(*w, random);
  } else {
    s.bits = kind.bits;
    s.group = kind.group;
    s.block[0] = s.block[1] = kind.format == WeightFormat::fp8_block ? kind.group : 0;
    s.scale_type = kind.scale_type;
    s.row_bytes = static_cast<size_t>(columns * kind.bits / 8);
    w->data.resize(static_cast<size_t>(experts * rows) * s.row_bytes);
    // E4M3 codes stay below NaN.
    const bool e4m3 = kind.format == WeightFormat::mxfp8 || kind.format == WeightFormat::fp8_block;
    for (std::byte& byte : w->data) byte = static_cast<std::byte>(random.bits() & (e4m3 ? 0xbf : 0xff));
    fill_scales(*w, random, kind.format == WeightFormat::affine);
  }
  s.data = w->data.data();
  s.scales = w->scales.empty() ? nullptr : w->scales.data();
  s.biases = w->biases.empty() ? nullptr : w->biases.data();
  return w;
}

Memory* CaseRun::memory(size_t bytes) {
  memory_.push_back(backend_.allocate(bytes));
  std::memset(memory_.back()->host(), 0, bytes);
  return memory_.back().get();
}

Tensor CaseRun::empty(int64_t rows, int64_t width, DType dtype) {
  Tensor tensor{nullptr, 0, rows, width, dtype};
  memory_.push_back(backend_.allocate(tensor.bytes()));
  tensor.memory = memory_.back().get();
  std::memset(tensor.memory->host(), 0xff, tensor.bytes());
  return tensor;
}

Tensor CaseRun::floats(int64_t rows, int64_t width, uint32_t seed, float size) {
  Tensor tensor = empty(rows, width);
  Random random(seed);
  float* to = tensor.at<float>();
  for (int64_t i = 0; i < rows * width; ++i) to[i] = random.uniform(-size, size);
  return tensor;
}

Tensor CaseRun::ints(const std::vector<int32_t>& values, int64_t width) {
  Tensor tensor = empty(static_cast<int64_t>(values.size()) / width, width, DType::i32);
  std::memcpy(tensor.at<int32_t>(), values.data(), values.size() * 4);
  return tensor;
}

const Weight* CaseRun::weight(const StoredWeight& stored, uint32_t uses) {
  weights_.push_back(backend_.prepare(stored.source, uses, Precision::exact));
  return weights_.back().get();
}

const Weight* CaseRun::kernel(int64_t outs, int64_t columns, uint32_t seed) {
  stored_.push_back(stored_weight({WeightFormat::f32, 0, 0, ScaleType::f32, "kernel"}, 1, outs, columns, seed));
  return weight(*stored_.back(), kUseKernel);
}

const Weight* CaseRun::vector(int64_t length, uint32_t seed, int64_t rows) {
  stored_.push_back(stored_weight({WeightFormat::f32, 0, 0, ScaleType::f32, "vector"}, 1, rows, length, seed));
  return weight(*stored_.back(), kUseVector);
}

void CaseRun::run(const Dispatch& dispatch) {
  const std::atomic<bool> cancel = false;
  backend_.run({&dispatch, 1}, cancel);
}

std::vector<float> CaseRun::read(const Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.rows * tensor.width));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = tensor.dtype == DType::f32 ? tensor.at<float>()[i] : static_cast<float>(tensor.at<int32_t>()[i]);
  return values;
}

}  // namespace afterimage::metal
