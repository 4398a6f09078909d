// Random tensors, random weights of every stored format, and one-operator runs on the CPU backend.
#pragma once
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cpu/cpu_backend.h"
#include "cpu/cpu_features.h"
#include "graph_check.h"
#include "weights/number_formats.h"

namespace afterimage::test {

inline std::mt19937& generator() {
  static std::mt19937 g(7);
  return g;
}

inline std::vector<float> random_floats(size_t count, float spread = 1.0f) {
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(count);
  for (float& v : values) v = normal(generator());
  return values;
}

inline std::vector<CpuIsa> isas_here() {
  std::vector<CpuIsa> isas;
  for (CpuIsa isa : {CpuIsa::portable, CpuIsa::avx2, CpuIsa::avx2_vnni, CpuIsa::avx512, CpuIsa::avx512_bf16,
                     CpuIsa::amx, CpuIsa::neon, CpuIsa::neon_i8mm})
    if (cpu_supports(isa)) isas.push_back(isa);
  return isas;
}

inline std::unique_ptr<Backend> cpu(CpuIsa isa, int threads = 2) {
  return make_cpu_backend({threads, static_cast<int>(isa)});
}

// A tensor on the backend, filled from host values.
struct Owned {
  std::unique_ptr<Memory> memory;
  Tensor tensor;
  template <class T>
  std::vector<T> read() const {
    std::vector<T> values(static_cast<size_t>(tensor.rows * tensor.width));
    std::memcpy(values.data(), memory->host(), values.size() * sizeof(T));
    return values;
  }
};

template <class T = float>
Owned tensor(Backend& backend, int64_t rows, int64_t width, const std::vector<T>& values = {}) {
  static_assert(sizeof(T) == 4);
  Owned owned;
  owned.memory = backend.allocate(static_cast<size_t>(rows * width) * 4 + 64);
  owned.tensor = {owned.memory.get(), 0, rows, width, std::is_same_v<T, float> ? DType::f32 : DType::i32};
  if (!values.empty()) std::memcpy(owned.memory->host(), values.data(), values.size() * 4);
  return owned;
}

inline void run_one(Backend& backend, const Dispatch& dispatch) {
  const std::atomic<bool> cancel{false};
  backend.run({&dispatch, 1}, cancel);
}

struct Format {
  const char* name;
  WeightFormat format;
  int bits, group;
  ScaleType scale;
};

inline const std::vector<Format>& formats() {
  static const std::vector<Format> all = {
      {"f32", WeightFormat::f32, 32, 0, ScaleType::f32},
      {"f16", WeightFormat::f16, 16, 0, ScaleType::f32},
      {"bf16", WeightFormat::bf16, 16, 0, ScaleType::f32},
      {"affine2/64 f16", WeightFormat::affine, 2, 64, ScaleType::f16},
      {"affine3/32 bf16", WeightFormat::affine, 3, 32, ScaleType::bf16},
      {"affine4/64 bf16", WeightFormat::affine, 4, 64, ScaleType::bf16},
      {"affine4/32 f16", WeightFormat::affine, 4, 32, ScaleType::f16},
      {"affine4/128 f32", WeightFormat::affine, 4, 128, ScaleType::f32},
      {"affine5/64 f32", WeightFormat::affine, 5, 64, ScaleType::f32},
      {"affine6/32 f16", WeightFormat::affine, 6, 32, ScaleType::f16},
      {"affine8/128 bf16", WeightFormat::affine, 8, 128, ScaleType::bf16},
      {"mxfp4", WeightFormat::mxfp4, 4, 32, ScaleType::u8},
      {"mxfp8", WeightFormat::mxfp8, 8, 32, ScaleType::u8},
      {"nvfp4", WeightFormat::nvfp4, 4, 16, ScaleType::u8},
      {"fp8 128x128", WeightFormat::fp8_block, 8, 128, ScaleType::f32},
      {"int4 symmetric/32", WeightFormat::int4_symmetric, 4, 32, ScaleType::f16},
      {"int4 symmetric/128", WeightFormat::int4_symmetric, 4, 128, ScaleType::bf16},
  };
  return all;
}

// Random bytes of one format, with the source that reads them.
struct StoredWeight {
  std::vector<std::byte> data, scales, biases;
  WeightSource source;

  std::vector<float> dense() const {
    std::vector<float> w(static_cast<size_t>(source.experts * source.rows * source.columns));
    for (int64_t r = 0; r < source.experts * source.rows; ++r)
      dequantize_row(source, r / source.rows, r % source.rows, w.data() + r * source.columns);
    return w;
  }
};

inline void put_float(std::vector<std::byte>& bytes, ScaleType type, float value) {
  uint8_t raw[4];
  size_t size = 4;
  if (type == ScaleType::f32)
    std::memcpy(raw, &value, 4);
  else {
    const uint16_t half = type == ScaleType::f16 ? float_to_f16(value) : float_to_bf16(value);
    std::memcpy(raw, &half, size = 2);
  }
  for (size_t i = 0; i < size; ++i) bytes.push_back(std::byte{raw[i]});
}

inline std::unique_ptr<StoredWeight> random_weight(const Format& f, int64_t rows, int64_t columns,
                                                   int64_t experts = 1) {
  auto w = std::make_unique<StoredWeight>();
  WeightSource& s = w->source;
  s.name = f.name;
  s.format = f.format;
  s.experts = experts;
  s.rows = rows;
  s.columns = columns;
  s.bits = f.bits;
  s.group = f.group;
  s.scale_type = f.scale;
  const auto all_rows = static_cast<size_t>(experts * rows), width = static_cast<size_t>(columns);
  const float spread = 1.0f / std::sqrt(static_cast<float>(columns));
  if (f.group == 0) {
    for (float v : random_floats(all_rows * width, spread))
      put_float(w->data,
                f.bits == 32                    ? ScaleType::f32
                : f.format == WeightFormat::f16 ? ScaleType::f16
                                                : ScaleType::bf16,
                v);
    s.row_bytes = width * static_cast<size_t>(f.bits) / 8;
  } else {
    s.row_bytes = width * static_cast<size_t>(f.bits) / 8;
    const bool e4m3 = f.bits == 8 && f.format != WeightFormat::affine;
    for (size_t i = 0; i < all_rows * s.row_bytes; ++i) {
      unsigned code = generator()() & 255u;
      if (e4m3 && (code & 0x7fu) == 0x7fu) code ^= 1u;  // NaN
      w->data.push_back(std::byte(code));
    }
    size_t groups = width / static_cast<size_t>(f.group), scale_rows = all_rows;
    if (f.format == WeightFormat::fp8_block) {
      s.block[0] = s.block[1] = f.group;
      groups = (width + static_cast<size_t>(f.group) - 1) / static_cast<size_t>(f.group);
      scale_rows = static_cast<size_t>(experts * ((rows + f.group - 1) / f.group));
    }
    std::uniform_real_distribution<float> uniform(0.5f, 1.5f);
    for (size_t i = 0; i < scale_rows * groups; ++i) {
      const float scale = uniform(generator()) * spread / static_cast<float>(1 << (f.bits < 8 ? f.bits - 2 : 6));
      if (f.scale == ScaleType::u8)
        w->scales.push_back(
            std::byte(f.format == WeightFormat::nvfp4 ? generator()() % 0x30u : 115u + generator()() % 8u));
      else
        put_float(w->scales, f.scale, scale);
      put_float(w->biases, f.scale == ScaleType::u8 ? ScaleType::f32 : f.scale,
                -scale * static_cast<float>((1 << f.bits) / 2));
    }
    const size_t size = f.scale == ScaleType::u8 ? 1 : f.scale == ScaleType::f32 ? 4 : 2;
    s.scale_row_bytes = groups * size;
    s.scales = w->scales.data();
    s.biases = f.format == WeightFormat::affine ? w->biases.data() : nullptr;
  }
  s.data = w->data.data();
  return w;
}

inline bool same_bits(const float* a, const float* b, size_t count) { return std::memcmp(a, b, count * 4) == 0; }

// √(Σ(a−b)² / Σb²)
inline double relative_rms(const std::vector<float>& a, const std::vector<double>& b) {
  double error = 0, norm = 1e-30;
  for (size_t i = 0; i < a.size(); ++i) {
    error += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return std::sqrt(error / norm);
}

}  // namespace afterimage::test
