#include "metal/weight.h"

#include <cstring>

#include "graph/error.h"

namespace afterimage::metal {
namespace {

constexpr size_t kInPlaceBytes = 64 * 1024;  // below this a copy is cheaper than a mapping

size_t element_bytes(WeightFormat format) { return format == WeightFormat::f32 ? 4 : 2; }

bool is_float(WeightFormat format) {
  return format == WeightFormat::f32 || format == WeightFormat::f16 || format == WeightFormat::bf16;
}

std::string format_suffix(const WeightSource& source) {
  switch (source.format) {
    case WeightFormat::f32:
      return "f32";
    case WeightFormat::f16:
      return "f16";
    case WeightFormat::bf16:
      return "bf16";
    case WeightFormat::affine:
      return "q" + std::to_string(source.bits);
    case WeightFormat::int4_symmetric:
      return "q4";
    case WeightFormat::mxfp4:
    case WeightFormat::nvfp4:
      return "e2m1";
    case WeightFormat::mxfp8:
    case WeightFormat::fp8_block:
      return "e4m3";
  }
  return "";
}

ScaleKind scale_kind(const WeightSource& source) {
  switch (source.scale_type) {
    case ScaleType::f32:
      return kScaleF32;
    case ScaleType::f16:
      return kScaleF16;
    case ScaleType::bf16:
      return kScaleBF16;
    case ScaleType::u8:
      return source.format == WeightFormat::nvfp4 ? kScaleE4M3 : kScaleE8M0;
  }
  return kScaleF32;
}

uint32_t code_bits(const WeightSource& source) {
  const std::string suffix = format_suffix(source);
  if (suffix == "e2m1") return 4;
  if (suffix == "e4m3") return 8;
  return static_cast<uint32_t>(suffix[1] - '0');
}

size_t scale_bytes(const WeightSource& source) {
  return source.scale_type == ScaleType::u8 ? 1 : (source.scale_type == ScaleType::f32 ? 4 : 2);
}

bool is_block(const WeightSource& source) { return source.format == WeightFormat::fp8_block; }

}  // namespace

MetalWeight::MetalWeight(const WeightSource& source, uint32_t uses, Precision precision, Device& device,
                         MappedBuffers* files)
    : source_(source),
      uses_(uses),
      precision_(precision),
      device_(device),
      files_(files),
      format_(format_suffix(source)) {
  if (uses & (kUseMatrix | kUseTable | kUseExperts)) {
    if (is_float(source.format))
      prepare_float();
    else if (readable_as_stored())
      prepare_quantized();
    else
      prepare_dequantized();
  }
  if (uses & (kUseVector | kUseKernel | kUseKernel3x3)) vector();
}

// Kernels read codes in runs of 8 and a run lies within one group; blocks of experts would need their own scale rows.
bool MetalWeight::readable_as_stored() const {
  const uint32_t bits = code_bits(source_);
  const int64_t group = is_block(source_) ? source_.block[1] : source_.group;
  if (bits < 2 || bits == 7 || bits > 8 || group < 8 || group % 8 != 0 || source_.columns % 8 != 0) return false;
  if ((bits == 4 || bits == 8) && source_.row_bytes % 4 != 0) return false;
  if (is_block(source_) && source_.experts > 1 && source_.rows % source_.block[0] != 0) return false;
  return source_.scale_row_bytes % scale_bytes(source_) == 0;
}

std::unique_ptr<Buffer> MetalWeight::allocate(size_t bytes) const {
  const size_t limit = device_.limits().working_set;
  if (limit == 0 || device_.allocated_bytes() + bytes <= limit)
    if (auto buffer = device_.allocate(bytes)) return buffer;
  throw Error("OUT_OF_MEMORY", "The GPU has no room for " + std::to_string(bytes) + " bytes of weight " + source_.name +
                                   "; choose a smaller or more strongly quantized model, or the cpu backend.");
}

Placement MetalWeight::copy(const std::byte* data, size_t row_bytes, size_t stride, size_t rows) {
  auto buffer = allocate(row_bytes * rows);
  auto* to = static_cast<std::byte*>(buffer->contents());
  if (row_bytes == stride)
    std::memcpy(to, data, row_bytes * rows);
  else
    for (size_t row = 0; row < rows; ++row) std::memcpy(to + row * row_bytes, data + row * stride, row_bytes);
  bytes_ += row_bytes * rows;
  buffers_.push_back(std::move(buffer));
  return {buffers_.back().get(), 0};
}

Placement MetalWeight::place(const std::byte* data, size_t bytes, size_t alignment) {
  const auto address = reinterpret_cast<uintptr_t>(data);
  if (files_ && bytes >= kInPlaceBytes && address % alignment == 0) {
    if (SharedPlacement place = files_->place(data, bytes); place.buffer) {
      mapped_.push_back(std::move(place.buffer));
      bytes_ += bytes;
      in_place_ += bytes;
      return {mapped_.back().get(), place.offset};
    }
  }
  return copy(data, bytes, bytes, 1);
}

void MetalWeight::set_shape() {
  matrix_.rows = static_cast<uint32_t>(source_.rows);
  matrix_.columns = static_cast<uint32_t>(source_.columns);
}

void MetalWeight::prepare_float() {
  const size_t row_bytes = static_cast<size_t>(source_.columns) * element_bytes(source_.format);
  set_shape();
  const size_t rows = static_cast<size_t>(source_.rows * source_.experts);
  data_ = source_.row_bytes == row_bytes ? place(source_.data, rows * row_bytes, 4)
                                         : copy(source_.data, row_bytes, source_.row_bytes, rows);
}

void MetalWeight::prepare_quantized() {
  quantized_ = true;
  const bool block = is_block(source_);
  set_shape();
  matrix_.row_bytes = static_cast<uint32_t>(source_.row_bytes);
  matrix_.scale_row_bytes = static_cast<uint32_t>(source_.scale_row_bytes);
  matrix_.group = static_cast<uint32_t>(block ? source_.block[1] : source_.group);
  matrix_.block_rows = static_cast<uint32_t>(block ? source_.block[0] : 1);
  matrix_.scale_kind = scale_kind(source_);
  matrix_.has_biases = source_.biases ? 1 : 0;
  matrix_.bias_per_scale = source_.format == WeightFormat::int4_symmetric ? -8.0f : 0.0f;
  const size_t rows = static_cast<size_t>(source_.rows * source_.experts);
  const size_t scale_rows = (rows + matrix_.block_rows - 1) / matrix_.block_rows;
  data_ = place(source_.data, rows * source_.row_bytes, 4);
  scales_ = place(source_.scales, scale_rows * source_.scale_row_bytes, 4);
  biases_ = source_.biases ? place(source_.biases, scale_rows * source_.scale_row_bytes, 4) : scales_;
}

void MetalWeight::prepare_dequantized() {
  const size_t columns = static_cast<size_t>(source_.columns);
  set_shape();
  auto buffer = allocate(static_cast<size_t>(source_.rows * source_.experts) * columns * 4);
  auto* to = static_cast<float*>(buffer->contents());
  for (int64_t expert = 0; expert < source_.experts; ++expert)
    for (int64_t row = 0; row < source_.rows; ++row, to += columns) dequantize_row(source_, expert, row, to);
  format_ = "f32";
  bytes_ += buffer->bytes();
  buffers_.push_back(std::move(buffer));
  data_ = {buffers_.back().get(), 0};
}

Placement MetalWeight::vector() const {
  std::lock_guard lock(mutex_);
  if (vector_) return vector_;
  auto buffer = allocate(static_cast<size_t>(source_.rows * source_.columns) * 4);
  auto* to = static_cast<float*>(buffer->contents());
  for (int64_t row = 0; row < source_.rows; ++row) dequantize_row(source_, 0, row, to + row * source_.columns);
  bytes_ += buffer->bytes();
  buffers_.push_back(std::move(buffer));
  return vector_ = {buffers_.back().get(), 0};
}

const Weight* MetalWeight::on(Backend& cpu) const {
  std::lock_guard lock(mutex_);
  if (!on_cpu_) on_cpu_ = cpu.prepare(source_, uses_, precision_);
  return on_cpu_.get();
}

}  // namespace afterimage::metal
