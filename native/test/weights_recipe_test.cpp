// Recipes: what they rearrange, where they point, and what they refuse.
#include <cmath>

#include "graph_check.h"
#include "weights/checkpoint.h"
#include "weights/recipe_source.h"
#include "weights_file.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

std::vector<float> iota(int64_t count, float start = 0) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(start + static_cast<float>(i));
  return values;
}

WeightRecipe recipe(std::vector<int64_t> shape, std::vector<std::string> tensors) {
  WeightRecipe made;
  made.name = "layer.w", made.shape = std::move(shape), made.tensors = std::move(tensors);
  return made;
}

std::vector<float> all(const WeightSource& source) {
  std::vector<float> out(static_cast<size_t>(source.experts * source.rows * source.columns));
  for (int64_t e = 0; e < source.experts; ++e) {
    for (int64_t r = 0; r < source.rows; ++r)
      dequantize_row(source, e, r, out.data() + (e * source.rows + r) * source.columns);
  }
  return out;
}

void shapes() {
  const TemporaryFile file(
      safetensors({{"conv", "F32", {2, 3, 2, 2}, bytes_of(iota(24))}, {"one", "F32", {1, 1, 6}, bytes_of(iota(6))}}));
  Checkpoint checkpoint({file.path()});
  CHECK(all(checkpoint.source(recipe({2, 12}, {"conv"}))) == iota(24));
  CHECK(all(checkpoint.source(recipe({2, 3, 4}, {"conv"}))) == iota(24));
  CHECK(all(checkpoint.source(recipe({24}, {"conv"}))) == iota(24));
  CHECK(all(checkpoint.source(recipe({6}, {"one"}))) == iota(6));
  CHECK(all(checkpoint.source(recipe({1, 6}, {"one"}))) == iota(6));
  CHECK_ERROR("INVALID_CHECKPOINT", "Tensor \"conv\" has shape [2, 3, 2, 2]; weight \"layer.w\" expects [3, 8]",
              checkpoint.source(recipe({3, 8}, {"conv"})));
  CHECK_ERROR("INVALID_CHECKPOINT", "expects [4, 6]", checkpoint.source(recipe({4, 6}, {"conv"})));
  CHECK_ERROR("INVALID_CHECKPOINT", "expects [2, 13]", checkpoint.source(recipe({2, 13}, {"conv"})));
  CHECK_ERROR("INVALID_CHECKPOINT", "expects [2, 6]", checkpoint.source(recipe({2, 6}, {"conv"})));
  CHECK_ERROR("INVALID_CHECKPOINT", "Tensor \"absent\" is missing", checkpoint.source(recipe({2}, {"absent"})));
}

void repeated_rows() {
  const TemporaryFile file(safetensors({{"one", "F32", {1}, bytes_of(iota(1))}}));
  Checkpoint checkpoint({file.path()});
  WeightRecipe made = recipe({3, 2}, {});
  made.values = {1, 0};
  CHECK((all(checkpoint.source(made)) == std::vector<float>{1, 0, 1, 0, 1, 0}));
  const WeightSource headers = described(made, checkpoint);
  CHECK(headers.rows == 3 && headers.columns == 2 && headers.row_bytes == 8 && headers.format == WeightFormat::f32);
}

// The MLX layout [O,kH,kW,I] read as [O,I,kH,kW].
void permutations() {
  std::vector<float> stored(24), expected(24);
  for (int o = 0; o < 2; ++o) {
    for (int i = 0; i < 3; ++i) {
      for (int y = 0; y < 2; ++y) {
        for (int x = 0; x < 2; ++x) {
          const float value = static_cast<float>(1000 * o + 100 * i + 10 * y + x);
          expected[static_cast<size_t>(((o * 3 + i) * 2 + y) * 2 + x)] = value;
          stored[static_cast<size_t>(((o * 2 + y) * 2 + x) * 3 + i)] = value;
        }
      }
    }
  }
  const TemporaryFile file(safetensors({{"conv", "F32", {2, 2, 2, 3}, bytes_of(stored)}}));
  Checkpoint checkpoint({file.path()});
  WeightRecipe conv = recipe({2, 12}, {"conv"});
  conv.permute = {0, 3, 1, 2};
  CHECK(all(checkpoint.source(conv)) == expected);
  WeightRecipe part = recipe({2, 4}, {"conv"});
  part.permute = {0, 3, 1, 2};
  part.slice_axis = 1, part.slice_start = 2, part.slice_count = 1;
  const std::vector<float> sliced = all(checkpoint.source(part));
  CHECK((std::vector<float>(sliced.begin(), sliced.begin() + 4) == std::vector<float>{200, 201, 210, 211}));
  CHECK(sliced[4] == 1200);
  conv.permute = {0, 2, 1};
  CHECK_ERROR("INVALID_CHECKPOINT", "[2, 2, 2, 3]; expected 3 axes", checkpoint.source(conv));
}

void slices() {
  const TemporaryFile file(
      safetensors({{"qkv", "F32", {6, 3}, bytes_of(iota(18))}, {"fused", "F32", {2, 4, 3}, bytes_of(iota(24))}}));
  Checkpoint checkpoint({file.path()});
  WeightRecipe rows = recipe({2, 3}, {"qkv"});
  rows.slice_axis = 0, rows.slice_start = 2, rows.slice_count = 2;
  const WeightSource source = checkpoint.source(rows);
  CHECK(all(source) == iota(6, 6));
  CHECK(source.data == checkpoint.tensor("qkv").data + 24);  // rows need no copy
  WeightRecipe columns = recipe({6, 2}, {"qkv"});
  columns.slice_axis = 1, columns.slice_start = 1, columns.slice_count = 2;
  CHECK((all(checkpoint.source(columns)) == std::vector<float>{1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17}));
  WeightRecipe experts = recipe({2, 2, 3}, {"fused"});
  experts.slice_axis = 1, experts.slice_start = 2, experts.slice_count = 2;
  CHECK((all(checkpoint.source(experts)) == std::vector<float>{6, 7, 8, 9, 10, 11, 18, 19, 20, 21, 22, 23}));
  rows.slice_start = 5;
  CHECK_ERROR("INVALID_CHECKPOINT", "no part 5 to 7 on axis 0", checkpoint.source(rows));
  rows.slice_axis = 2;
  CHECK_ERROR("INVALID_CHECKPOINT", "on axis 2", checkpoint.source(rows));
}

void stacks() {
  const TemporaryFile file(
      safetensors({{"e0", "BF16", {2, 3}, bytes_of<uint16_t>({0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0})},
                   {"e1", "BF16", {2, 3}, bytes_of<uint16_t>({0, 0, 0, 0, 0, 0x3f80})},
                   {"other", "BF16", {3, 2}, std::string(12, '\0')},
                   {"wide", "F32", {2, 3}, std::string(24, '\0')}}));
  Checkpoint checkpoint({file.path()});
  const WeightSource source = checkpoint.source(recipe({2, 2, 3}, {"e0", "e1"}));
  CHECK((all(source) == std::vector<float>{1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 1}));
  CHECK(source.data == checkpoint.tensor("e0").data);  // neighbours in the file need no copy
  CHECK((all(checkpoint.source(recipe({2, 2, 3}, {"e1", "e0"}))) ==
         std::vector<float>{0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6}));
  CHECK((all(checkpoint.source(recipe({4, 3}, {"e1", "e0"}))).size() == 12));
  CHECK_ERROR("INVALID_CHECKPOINT", "\"other\" is BF16 [3, 2], but \"e0\" is BF16 [2, 3]",
              checkpoint.source(recipe({2, 2, 3}, {"e0", "other"})));
  CHECK_ERROR("INVALID_CHECKPOINT", "\"wide\" is F32 [2, 3], but \"e0\" is BF16",
              checkpoint.source(recipe({2, 2, 3}, {"e0", "wide"})));
  CHECK_ERROR("INVALID_CHECKPOINT", "(read as [3, 2, 3])", checkpoint.source(recipe({2, 2, 3}, {"e0", "e1", "e0"})));
}

void types() {
  const TemporaryFile file(safetensors({{"f64", "F64", {2}, std::string(16, '\0')},
                                        {"i32", "I32", {2}, std::string(8, '\0')},
                                        {"f8", "F8_E4M3", {2}, "ab"}}));
  Checkpoint checkpoint({file.path()});
  for (const char* name : {"f64", "i32", "f8"})
    CHECK_ERROR("INVALID_CHECKPOINT", "expected F32 or F16 or BF16", checkpoint.source(recipe({2}, {name})));
}

void not_finite() {
  std::vector<float> nan = iota(9000), infinite = nan;
  nan[8999] = NAN;
  infinite[4097] = -INFINITY;
  std::vector<uint16_t> f16(5, 0x3c00), bf16(5, 0x3f80);
  f16[4] = 0x7c00, bf16[0] = 0xffc0;
  const TemporaryFile file(safetensors({{"nan", "F32", {9000}, bytes_of(nan)},
                                        {"infinite", "F32", {9000}, bytes_of(infinite)},
                                        {"f16", "F16", {5}, bytes_of(f16)},
                                        {"bf16", "BF16", {5}, bytes_of(bf16)}}));
  Checkpoint checkpoint({file.path()});
  CHECK_ERROR("INVALID_CHECKPOINT", "Tensor \"nan\" holds NaN or infinity at element 8999",
              checkpoint.source(recipe({9000}, {"nan"})));
  CHECK_ERROR("INVALID_CHECKPOINT", "at element 4097", checkpoint.source(recipe({9000}, {"infinite"})));
  CHECK_ERROR("INVALID_CHECKPOINT", "at element 4", checkpoint.source(recipe({5}, {"f16"})));
  CHECK_ERROR("INVALID_CHECKPOINT", "at element 0", checkpoint.source(recipe({5}, {"bf16"})));
  WeightRecipe good = recipe({4}, {"bf16"});
  good.slice_axis = 0, good.slice_start = 1, good.slice_count = 4;
  CHECK((all(checkpoint.source(good)) == std::vector<float>{1, 1, 1, 1}));
}

WeightRecipe quantized(std::vector<int64_t> shape, const std::string& mode, int32_t bits, int32_t group,
                       const std::string& scales, const std::string& biases = "") {
  WeightRecipe made = recipe(std::move(shape), {"w"});
  made.mode = mode, made.bits = bits, made.group = group, made.scales = {scales};
  if (!biases.empty()) made.biases = {biases};
  return made;
}

void quantized_shapes() {
  const std::string words(4 * 8 * 4, '\x31');  // 4 × 64 of 4 bits
  std::vector<float> scales(8, 2.f), broken(8, 1.f);
  scales[6] = 3.f, broken[3] = NAN;
  const TemporaryFile file(safetensors({{"w", "U32", {4, 8}, words},
                                        {"s", "F32", {4, 2}, bytes_of(scales)},
                                        {"nan", "F32", {4, 2}, bytes_of(broken)},
                                        {"half", "F16", {4, 2}, std::string(16, '\0')},
                                        {"short", "F32", {4, 1}, std::string(16, '\0')},
                                        {"e8", "U8", {4, 2}, std::string("\x7f\x7f\x7f\x7f\x7f\x7f\x7f\xff", 8)},
                                        {"e4", "U8", {4, 4}, std::string(15, '\x38') + '\xff'}}));
  Checkpoint checkpoint({file.path()});
  const WeightSource source = checkpoint.source(quantized({4, 64}, "affine", 4, 32, "s", "s"));
  std::vector<float> values = all(source);
  CHECK(values[0] == 4 && values[1] == 8 && values[3 * 64] == 6 && values[3 * 64 + 63] == 8);
  WeightRecipe rows = quantized({2, 64}, "affine", 4, 32, "s", "s");
  rows.slice_axis = 0, rows.slice_start = 2, rows.slice_count = 2;
  CHECK(all(checkpoint.source(rows)) == std::vector<float>(values.begin() + 128, values.end()));
  rows.slice_axis = 1;
  CHECK_ERROR("INVALID_CHECKPOINT", "only be sliced by rows", checkpoint.source(rows));
  CHECK_ERROR("INVALID_CHECKPOINT", "\"w\" has shape [4, 8]; weight \"layer.w\" expects [4, 16]",
              checkpoint.source(quantized({4, 64}, "affine", 8, 32, "s", "s")));
  CHECK_ERROR("INVALID_CHECKPOINT", "expects [4, 4]", checkpoint.source(quantized({4, 32}, "affine", 4, 32, "s", "s")));
  CHECK_ERROR("INVALID_CHECKPOINT", "\"short\" has shape [4, 1]",
              checkpoint.source(quantized({4, 64}, "affine", 4, 32, "short", "short")));
  CHECK_ERROR("INVALID_CHECKPOINT", "\"half\" holds F16; expected F32",
              checkpoint.source(quantized({4, 64}, "affine", 4, 32, "s", "half")));
  CHECK_ERROR("INVALID_CHECKPOINT", "\"nan\" holds NaN or infinity at element 3",
              checkpoint.source(quantized({4, 64}, "affine", 4, 32, "nan", "s")));
  CHECK_ERROR("INVALID_CHECKPOINT", "\"nan\" holds NaN or infinity at element 3",
              checkpoint.source(quantized({4, 64}, "affine", 4, 32, "s", "nan")));
  CHECK_ERROR("INVALID_CHECKPOINT", "\"s\" holds F32; expected U8 or F8_E8M0",
              checkpoint.source(quantized({4, 64}, "mxfp4", 4, 32, "s")));
  CHECK_ERROR("INVALID_CHECKPOINT", "\"e8\" holds NaN or infinity at element 7",
              checkpoint.source(quantized({4, 64}, "mxfp4", 4, 32, "e8")));
  CHECK_ERROR("INVALID_CHECKPOINT", "\"e4\" holds NaN or infinity at element 15",
              checkpoint.source(quantized({4, 64}, "nvfp4", 4, 16, "e4")));
}

// A stacked copy goes with its recipe; another recipe of the same tensors reads on.
void released_recipes_leave_others_alone() {
  std::vector<float> large = iota(8192);
  const TemporaryFile file(
      safetensors({{"a", "F32", {64, 128}, bytes_of(large)}, {"b", "F32", {64, 128}, bytes_of(iota(8192, 9))}}));
  Checkpoint checkpoint({file.path()});
  const WeightRecipe both = recipe({128, 128}, {"a", "b"}), again = recipe({128, 128}, {"a", "b"}),
                     plain = recipe({64, 128}, {"a"});
  checkpoint.source(both);
  const WeightSource kept = checkpoint.source(again), mapped = checkpoint.source(plain);
  const std::vector<float> before = all(kept);
  checkpoint.release(both);
  CHECK(all(kept) == before && all(mapped) == large && all(checkpoint.source(both)) == before);
}

}  // namespace

int main() {
  released_recipes_leave_others_alone();
  shapes();
  repeated_rows();
  permutations();
  slices();
  stacks();
  types();
  not_finite();
  quantized_shapes();
  return finish();
}
