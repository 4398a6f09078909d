// A weight as the kernels read it: the checkpoint's own bytes, in place where they lie in a mapping and are aligned,
// otherwise a copy in the same layout. Vectors become f32.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "graph/backend.h"
#include "metal/mapped_buffers.h"
#include "metal/memory.h"
#include "metal/quantized_matrix_params.h"

namespace afterimage::metal {

class MetalWeight final : public Weight {
 public:
  // `files`: null where the device does not read pages of a mapping as they are.
  MetalWeight(const WeightSource& source, uint32_t uses, Precision precision, Device& device, MappedBuffers* files);
  size_t bytes() const noexcept override { return bytes_; }

  const std::string& name() const noexcept { return source_.name; }
  int64_t rows() const noexcept { return source_.rows; }
  int64_t columns() const noexcept { return source_.columns; }
  int64_t experts() const noexcept { return source_.experts; }
  // Suffix of kernel names: f32, f16, bf16, q2 … q8, e2m1, e4m3.
  const std::string& format() const noexcept { return format_; }
  bool quantized() const noexcept { return quantized_; }
  // Of float weights rows and columns alone.
  const QuantizedMatrix& matrix() const noexcept { return matrix_; }
  Placement data() const noexcept { return data_; }
  Placement scales() const noexcept { return scales_; }
  Placement biases() const noexcept { return biases_; }
  // All elements as f32; made when first asked for.
  Placement vector() const;
  // The same weight prepared by another backend; made when first asked for.
  const Weight* on(Backend& cpu) const;
  // Bytes that are used where the checkpoint maps them.
  size_t bytes_in_place() const noexcept { return in_place_; }

 private:
  void set_shape();
  void prepare_float();
  void prepare_quantized();
  void prepare_dequantized();
  bool readable_as_stored() const;
  Placement place(const std::byte* data, size_t bytes, size_t alignment);
  Placement copy(const std::byte* data, size_t row_bytes, size_t stride, size_t rows);
  std::unique_ptr<Buffer> allocate(size_t bytes) const;

  WeightSource source_;
  uint32_t uses_;
  Precision precision_;
  Device& device_;
  MappedBuffers* files_;
  std::string format_;
  bool quantized_ = false;
  QuantizedMatrix matrix_{};
  Placement data_, scales_, biases_;
  mutable Placement vector_;
  std::vector<std::shared_ptr<Buffer>> mapped_;
  mutable std::vector<std::unique_ptr<Buffer>> buffers_;
  mutable std::unique_ptr<Weight> on_cpu_;
  mutable std::mutex mutex_;
  mutable size_t bytes_ = 0;
  size_t in_place_ = 0;
};

}  // namespace afterimage::metal
