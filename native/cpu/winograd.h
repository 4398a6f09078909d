// Convolution by 3 × 3 windows with steps of 1 in tiles of 4 × 4 outputs: 36 products of sums for each pair of channels
// instead of 144. Winograd's F(4×4, 3×3), Lavin & Gray 2016, https://arxiv.org/abs/1509.09308, on the points 0, ±√½,
// ±√2 and ∞, which lose half as much to rounding as 0, ±1, ±2 and ∞: 1e-6 of the result, a direct sum 5e-7.
#pragma once
#include "cpu/cpu_context.h"

namespace afterimage {

constexpr int kWinogradInputs = 36, kWinogradOutputs = 16;  // of a tile, 6 × 6 and 4 × 4
constexpr int kWinogradSide = 6, kWinogradStep = 4;

// Whether the transforms of inputs and outputs are a small part of what is saved.
bool winograd_pays(int64_t outs, int64_t channels);

// The kernel at each of 36 points, one PackedKernel behind the other: [36][outs, channels]. W is [outs, (ky, kx, C)].
PackedKernel pack_winograd(const WeightSource& source, int lanes, int widest);

void run_winograd(CpuContext& c, const Dispatch& d);

}  // namespace afterimage
