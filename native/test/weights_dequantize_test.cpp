// dequantize_row against the golden tensors, exactly, and every format against hand-made rows.
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>

#include "graph/json.h"
#include "graph_check.h"
#include "weights/checkpoint.h"
#include "weights_file.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

// Made by test/goldens/generator; tests run in the project's folder.
const std::string golden_folder = "test/goldens/checkpoints/quantization/";

void golden_entry(Checkpoint& checkpoint, const Json& entry) {
  const std::string name = *entry.find("name")->string();
  WeightRecipe recipe;
  recipe.name = name;
  recipe.mode = *entry.find("mode")->string();
  recipe.bits = static_cast<int32_t>(*entry.find("bits")->integer());
  recipe.group = static_cast<int32_t>(*entry.find("group_size")->integer());
  recipe.shape = {*entry.find("rows")->integer(), *entry.find("cols")->integer()};
  recipe.tensors = {name + ".weight"};
  recipe.scales = {name + ".scales"};
  if (recipe.mode == "affine") recipe.biases = {name + ".biases"};
  const WeightSource source = checkpoint.source(recipe);
  const std::byte* expected = checkpoint.tensor(name + ".dequant").data;
  std::vector<float> row(static_cast<size_t>(source.columns)), golden(row.size());
  for (int64_t r = 0; r < source.rows; ++r) {
    dequantize_row(source, 0, r, row.data());
    std::memcpy(golden.data(), expected + static_cast<size_t>(r) * row.size() * 4, row.size() * 4);
    // Equal floats differ at most in the sign of zero, which the goldens drop for E2M1 code 8.
    check(row == golden, name + " row " + std::to_string(r) + " differs", __FILE__, __LINE__);
  }
}

void goldens() {
  std::stringstream text;
  text << std::ifstream(golden_folder + "index.json").rdbuf();
  const Json index = parse_json(text.str());
  Checkpoint checkpoint({golden_folder + "quantization.safetensors"});
  for (const Json& entry : *index.find("tensors")->array()) golden_entry(checkpoint, entry);
  std::printf("%zu golden tensors\n", index.find("tensors")->array()->size());
}

// q_i = (7i + 3) mod 2^bits as a bit stream.
void bit_streams() {
  for (int bits : {2, 3, 4, 5, 6, 8}) {
    std::vector<std::byte> stream(static_cast<size_t>(32 * bits / 8));
    for (int i = 0; i < 32 * bits; ++i) {
      const int q = (7 * (i / bits) + 3) % (1 << bits);
      if (q >> i % bits & 1) stream[static_cast<size_t>(i / 8)] |= std::byte{1} << i % 8;
    }
    const float scale = -0.5f, bias = 3.25f;
    WeightSource source;
    source.format = WeightFormat::affine;
    source.rows = 1, source.columns = 32, source.bits = bits, source.group = 32;
    source.data = stream.data(), source.row_bytes = stream.size();
    source.scales = reinterpret_cast<const std::byte*>(&scale),
    source.biases = reinterpret_cast<const std::byte*>(&bias);
    source.scale_row_bytes = 4;
    float row[32];
    dequantize_row(source, 0, 0, row);
    for (int i = 0; i < 32; ++i) CHECK(row[i] == scale * static_cast<float>((7 * i + 3) % (1 << bits)) + bias);
  }
}

struct Rows {
  WeightSource source;
  std::vector<float> read(int64_t expert, int64_t row) const {
    std::vector<float> out(static_cast<size_t>(source.columns));
    dequantize_row(source, expert, row, out.data());
    return out;
  }
};

WeightRecipe recipe(std::vector<int64_t> shape, const std::string& mode, int32_t bits, int32_t group) {
  WeightRecipe made;
  made.name = "w", made.shape = std::move(shape), made.tensors = {"w"}, made.mode = mode, made.bits = bits,
  made.group = group;
  if (!mode.empty()) made.scales = {"s"};
  return made;
}

void floats() {
  const TemporaryFile file(
      safetensors({{"f16", "F16", {2, 3}, bytes_of<uint16_t>({0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x3555})},
                   {"bf16", "BF16", {1, 2}, bytes_of<uint16_t>({0x3f80, 0xc040})},
                   {"f32", "F32", {1, 2}, bytes_of<float>({1.5f, -0.0f})}}));
  Checkpoint checkpoint({file.path()});
  const auto read = [&](const char* name, std::vector<int64_t> shape, int64_t row) {
    WeightRecipe made = recipe(std::move(shape), "", 0, 0);
    made.tensors = {name};
    return Rows{checkpoint.source(made)}.read(0, row);
  };
  CHECK((read("f16", {2, 3}, 0) == std::vector<float>{1, -2, 0x1p-24f}));
  CHECK((read("f16", {2, 3}, 1) == std::vector<float>{65504, -0.0f, 0x1.554p-2f}));
  CHECK((read("bf16", {1, 2}, 0) == std::vector<float>{1, -3}));
  const std::vector<float> f32 = read("f32", {2}, 0);
  CHECK(f32[0] == 1.5f && f32[1] == 0 && std::signbit(f32[1]));
}

void fp8_blocks() {
  // 3 × 5 of E4M3 1.0 and −2.0 with blocks of 2 × 2: scales 2 × 3, per expert.
  std::string codes;
  for (int i = 0; i < 30; ++i) codes += static_cast<char>(i % 2 ? 0xC0 : 0x38);
  const TemporaryFile file(
      safetensors({{"w", "F8_E4M3", {2, 3, 5}, codes},
                   {"s", "F32", {2, 2, 3}, bytes_of<float>({1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60})}}));
  Checkpoint checkpoint({file.path()});
  WeightRecipe made = recipe({2, 3, 5}, "fp8_block", 8, 0);
  made.block[0] = made.block[1] = 2;
  const Rows rows{checkpoint.source(made)};
  CHECK((rows.read(0, 0) == std::vector<float>{1, -2, 2, -4, 3}));
  CHECK((rows.read(0, 2) == std::vector<float>{4, -8, 5, -10, 6}));
  CHECK((rows.read(1, 1) == std::vector<float>{10, -20, 20, -40, 30}));
  CHECK((rows.read(1, 2) == std::vector<float>{-80, 40, -100, 50, -120}));
}

void int4() {
  std::vector<uint32_t> words(8, 0x76543210);
  words[4] = 0xfedcba98;
  const TemporaryFile file(safetensors(
      {{"w", "I32", {2, 4}, bytes_of(words)}, {"s", "BF16", {2, 1}, bytes_of<uint16_t>({0x3f80, 0x4000})}}));
  Checkpoint checkpoint({file.path()});
  const Rows rows{checkpoint.source(recipe({2, 32}, "int4_symmetric", 4, 32))};
  for (int i = 0; i < 8; ++i) {
    CHECK(rows.read(0, 0)[static_cast<size_t>(i)] == static_cast<float>(i - 8));
    CHECK(rows.read(0, 1)[static_cast<size_t>(i)] == static_cast<float>(2 * i));
  }
}

}  // namespace

int main() {
  goldens();
  bit_streams();
  floats();
  fp8_blocks();
  int4();
  return finish();
}
