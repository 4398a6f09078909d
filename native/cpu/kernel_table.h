// The table of one instruction set. A kernels_<isa>.cpp defines CPU_ISA, includes this and returns `kTable`.
#pragma once
#include "cpu/attend.h"
#include "cpu/image_kernels.h"
#include "cpu/panel.h"
#include "cpu/rows.h"
#include "cpu/winograd_kernels.h"

namespace afterimage::CPU_ISA {

static constexpr KernelTable make_table(const char* name) {
  KernelTable t{};
  t.name = name;
  t.native_bf16 = kNativeBf16;
  t.bf16_cache = kBf16Cache;
  t.row_tile = kRowTile;
  t.most_rows = kMostRows;
  t.pair_tiles = kPairTiles;
  t.byte_tiles = kByteTiles;
  t.row_to_bf16 = row_to_bf16;
  t.row_to_pairs = row_to_pairs;
  t.integer_form = integer_form;
  t.quantize_row = quantize_row;
#if defined(CPU_AMX)
  t.fewest_grouped = 3;
  t.fewest_grouped_a8 = 6;  // measured: below, vectors take less time
  t.group_bytes = sizeof(AmxRowBlock);
  t.quantize_grouped = quantize_grouped;
#endif
  t.row_to_pair_blocks = row_to_pair_blocks;
#if defined(CPU_PAIR_DOT)
  t.weights_to_pairs = weights_to_pairs;
#endif
  t.row_to_bytes = row_to_bytes;
  t.panel = panel;
  t.finish = finish;
  t.pack_keys = pack_keys;
  t.pack_values = pack_values;
  t.pack_half_keys = pack_half_keys;
  t.attend = attend;
  t.attend_merge = attend_merge;
  t.attend_finish = attend_finish;
  t.widen_f16 = widen_f16;
  t.widen_bf16 = widen_bf16;
  t.widen_q8 = widen_q8;
  t.rms_norm = rms_norm;
  t.layer_norm = layer_norm;
  t.statistic = statistic;
  t.activation = activation;
  t.gated = gated;
  t.softcap = softcap;
  t.clamp = clamp;
  t.add = add;
  t.multiply = multiply;
  t.shift = shift_row;
  t.scale = scale_row;
  t.accumulate = accumulate;
  t.depthwise = depthwise;
  t.lanes = kLanes;
  t.kernel_vectors = kKernelVecs;
  t.pair_vectors = kPairVecs;
  t.fewest_pair_columns = kFewestPairColumns;
  t.to_pairs = to_pairs;
  t.largest = largest;
  t.convolve = convolve;
  t.depthwise_pixels = depthwise_pixels;
  t.settle = settle;
  t.best_class = best_class;
  t.winograd_inputs = winograd_inputs;
  t.winograd_outputs = winograd_outputs;
  t.rotate = rotate;
  t.delta_step = delta_step;
  return t;
}

}  // namespace afterimage::CPU_ISA
