// Quantized matrices as other tools store them, rearranged into the forms that kernels read, one matrix at a time.
// Nothing is rounded where the target holds it: groups of whole-number codes become affine codes with f32 scales.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "graph/program.h"
#include "weights/checkpoint.h"

namespace afterimage {

// As what a form is read. affine: codes of 4 or 8 bits with scales and biases per group of columns; nvfp4: codes of 4
// bits with scales; f32, f16 or bf16: values, where the form has no such codes.
struct ReadAs {
  WeightFormat format = WeightFormat::affine;
  int32_t bits = 0;
  int64_t group = 0;
  ScaleType scales = ScaleType::f32;

  bool operator==(const ReadAs&) const = default;
  bool is_float() const noexcept { return bits == 0; }
  bool biased() const noexcept { return format == WeightFormat::affine; }
};

// Columns past the last group's end share its scale, so a group may be longer than the row.
struct ForeignForm {
  virtual ~ForeignForm() = default;
  // Fills `data` ([rows] of packed codes or values, zeros before), `scales` and, where biased, `biases`
  // ([rows][groups]).
  virtual void read(std::byte* data, float* scales, float* biases) const = 0;

  int64_t rows = 0, columns = 0;
  ReadAs as;

  int64_t groups() const noexcept { return as.is_float() ? 0 : (columns + as.group - 1) / as.group; }
  size_t row_bytes() const noexcept;  // of `data`
};

bool is_foreign(std::string_view mode);
// Tensor `part` of the recipe and those that belong to it, shapes checked. Throws INVALID_CHECKPOINT. Looks at no
// weights: what says as what they are read is in headers, orders of columns and descriptions.
std::unique_ptr<ForeignForm> foreign_form(const WeightRecipe& recipe, const Checkpoint& checkpoint, size_t part);

}  // namespace afterimage
