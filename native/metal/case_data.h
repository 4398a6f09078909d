// Deterministic tensors and stored weights for one operator on one backend: what the self-test compares.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "graph/backend.h"

namespace afterimage::metal {

// A weight as a checkpoint would hold it, with random codes.
struct StoredWeight {
  WeightSource source;
  std::vector<std::byte> data, scales, biases;
};
struct StoredKind {
  WeightFormat format;
  int32_t bits = 0, group = 0;
  ScaleType scale_type = ScaleType::bf16;
  const char* name = "";
};
// Every layout that weights have, f32 first.
std::span<const StoredKind> stored_kinds();
std::unique_ptr<StoredWeight> stored_weight(const StoredKind& kind, int64_t experts, int64_t rows, int64_t columns,
                                            uint32_t seed);

// splitmix64, Steele et al. 2014.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint32_t bits();
  float uniform(float low, float high);

 private:
  uint64_t state_;
};

class CaseRun {
 public:
  explicit CaseRun(Backend& backend) : backend_(backend) {}
  Tensor floats(int64_t rows, int64_t width, uint32_t seed, float size = 1.0f);
  Tensor ints(const std::vector<int32_t>& values, int64_t width);
  Tensor empty(int64_t rows, int64_t width, DType dtype = DType::f32);
  Memory* memory(size_t bytes);  // zeroed
  const Weight* weight(const StoredWeight& stored, uint32_t uses);
  const Weight* kernel(int64_t outs, int64_t columns, uint32_t seed);
  const Weight* vector(int64_t length, uint32_t seed, int64_t rows = 1);
  void run(const Dispatch& dispatch);
  // Elements as float; i32 as their value.
  static std::vector<float> read(const Tensor& tensor);
  Backend& backend() { return backend_; }

 private:
  Backend& backend_;
  std::vector<std::unique_ptr<Memory>> memory_;
  std::vector<std::unique_ptr<StoredWeight>> stored_;
  std::vector<std::unique_ptr<Weight>> weights_;
};

}  // namespace afterimage::metal
