// Linear: on simdgroup matrices where the device has proved them, by dot products otherwise.
#include <bit>

#include "metal/joined.h"
#include "metal/linear_params.h"
#include "metal/operators.h"

namespace afterimage::metal {
namespace {

constexpr uint32_t kTileOuts = 32;  // of matrix_tile.h
constexpr uint32_t kNoTile = 0xffffffff;
constexpr int kParts = 3;
// Where a part's operands are bound: data, scales, biases, bias, y.
constexpr uint32_t kBindings[kParts][5] = {{1, 2, 3, 4, 6}, {7, 8, 9, 10, 11}, {12, 13, 14, 15, 16}};

uint32_t exponent(uint32_t power_of_two) { return static_cast<uint32_t>(std::countr_zero(power_of_two)); }

LinearPart part_of(const Dispatch& d, uint32_t first_tile) {
  return {tiled(*weight_of(d, 0)), first_tile, static_cast<uint32_t>(d.attrs->activation), d.weights[1] != nullptr};
}

void bind_part(Encoder& encoder, const Dispatch* d, int number) {
  const uint32_t* at = kBindings[number];
  if (!d) {
    for (int i = 0; i < 5; ++i) encoder.bind_unused(at[i]);
    return;
  }
  const MetalWeight& w = *weight_of(*d, 0);
  encoder.bind(at[0], w.data()).bind(at[4], d->out[0]);
  w.quantized() ? encoder.bind(at[1], w.scales()).bind(at[2], w.biases())
                : encoder.bind_unused(at[1]).bind_unused(at[2]);
  d->weights[1] ? encoder.bind(at[3], weight_of(*d, 1)->vector()) : encoder.bind_unused(at[3]);
}

// The norm's operands, or none.
void bind_norm(Encoder& encoder, const Dispatch* norm, LinearParams& params) {
  if (!norm) {
    encoder.bind_unused(17).bind_unused(18);
    return;
  }
  params.has_norm = 1;
  params.has_norm_weight = norm->weights[0] != nullptr;
  params.eps = norm->attrs->eps;
  params.weight_offset = norm->attrs->weight_offset;
  norm->weights[0] ? encoder.bind(17, weight_of(*norm, 0)->vector()) : encoder.bind_unused(17);
  encoder.bind(18, norm->out[0]);
}

void encode_matrices(Encoder& encoder, std::span<const Dispatch> linears, const Dispatch* norm,
                     const KernelSet& kernels) {
  const Dispatch& first = linears.front();
  const int64_t rows = first.out[0].rows, tile = rows <= 8 ? 8 : 32;
  encoder.kernel(kernels[tile == 8 ? 0 : 1], 128).bind(0, norm ? norm->in[0] : first.in[0]);
  LinearParams params = matrix_alone(*weight_of(first, 0), static_cast<uint32_t>(rows));
  params.has_residual = static_cast<bool>(first.in[1]);
  uint32_t tiles = 0;
  for (int i = 0; i < kParts; ++i) {
    const Dispatch* d = static_cast<size_t>(i) < linears.size() ? &linears[static_cast<size_t>(i)] : nullptr;
    bind_part(encoder, d, i);
    if (!d) continue;
    params.parts[i] = part_of(*d, tiles);
    tiles += tiles_of(d->out[0].width, kTileOuts);
  }
  first.in[1] ? encoder.bind(5, first.in[1]) : encoder.bind_unused(5);
  bind_norm(encoder, norm, params);
  encoder.constants(19, params);
  encoder.dispatch(tiles, tiles_of(rows, tile));
}

void encode_dot(Encoder& encoder, const Dispatch& d, const KernelSet& kernels) {
  const MetalWeight& w = *weight_of(d, 0);
  const int64_t rows = d.out[0].rows, tile = rows == 1 ? 1 : 8;
  encoder.kernel(kernels[tile == 1 ? 0 : 1], 128).bind(0, d.in[0]);
  bind_part(encoder, &d, 0);
  d.in[1] ? encoder.bind(5, d.in[1]) : encoder.bind_unused(5);
  encoder.constants(7, w.matrix());
  encoder.constants(8, LinearDotParams{static_cast<uint32_t>(rows), static_cast<uint32_t>(d.attrs->activation),
                                       d.weights[1] != nullptr, static_cast<bool>(d.in[1])});
  encoder.dispatch(tiles_of(w.rows(), 16), tiles_of(rows, tile));
}

// A chunk of 16 columns has one scale, and both divisions are shifts.
bool has_matrix_kernel(const MetalWeight& w) {
  if (!w.quantized()) return true;
  const QuantizedMatrix& m = w.matrix();
  if (m.group < 16 || !std::has_single_bit(m.group) || !std::has_single_bit(m.block_rows)) return false;
  const bool narrow = m.scale_kind == kScaleF16 || m.scale_kind == kScaleBF16;
  if (w.format() == "e2m1") return m.scale_kind == kScaleE8M0 || m.scale_kind == kScaleE4M3;
  if (w.format() == "e4m3") return m.scale_kind == kScaleE8M0 || m.scale_kind == kScaleF32;
  return narrow;
}

const char* scale_name(uint32_t kind) {
  constexpr const char* kNames[] = {"f32", "f16", "bf16", "e8m0", "e4m3"};
  return kNames[kind];
}

}  // namespace

TiledMatrix tiled(const MetalWeight& w) {
  const QuantizedMatrix& m = w.matrix();
  if (!w.quantized()) return {m, 0, 0};
  return {m, exponent(m.group), exponent(m.block_rows)};
}

std::optional<std::string> tiled_format(const MetalWeight& w) {
  if (!has_matrix_kernel(w)) return {};
  return w.quantized() ? w.format() + "_" + scale_name(w.matrix().scale_kind) : w.format();
}

LinearParams matrix_alone(const MetalWeight& w, uint32_t rows) {
  LinearParams params{};
  params.rows = rows;
  params.columns = w.matrix().columns;
  params.parts[0].matrix = tiled(w);
  params.parts[1].first_tile = params.parts[2].first_tile = kNoTile;
  return params;
}

std::vector<KernelSet> linear_kernels(const MetalWeight& w) {
  std::vector<KernelSet> sets;
  if (const auto format = tiled_format(w))
    sets.push_back({{"linear_matrix", "linear_" + *format + "_8"}, {"linear_matrix", "linear_" + *format + "_32"}});
  const std::string name = "linear_dot_" + w.format();
  sets.push_back({{"linear_dot", name + "_1"}, {"linear_dot", name + "_8"}});
  return sets;
}

void encode_linear(Encoder& encoder, const Dispatch& d) {
  const KernelSet kernels = encoder.choose(linear_kernels(*weight_of(d, 0)));
  on_matrices(kernels) ? encode_matrices(encoder, {&d, 1}, nullptr, kernels) : encode_dot(encoder, d, kernels);
}

void encode_joined(Encoder& encoder, const Joined& joined) {
  const Dispatch& first = joined.linears.front();
  double seconds = 0;
  for (const Dispatch& d : joined.linears) seconds += work_of(d, true).seconds();
  encoder.make_room(seconds);
  // The norm's result is written by the same dispatch that uses it.
  std::vector<Range> reads, writes;
  if (joined.norm) add_operands(*joined.norm, reads, writes);
  for (const Dispatch& d : joined.linears) add_operands(d, reads, writes);
  encoder.operands(std::move(reads), std::move(writes));
  encode_matrices(encoder, joined.linears, joined.norm, encoder.choose(linear_kernels(*weight_of(first, 0))));
}

}  // namespace afterimage::metal
