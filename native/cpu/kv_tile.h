// Keys and values between rows of a run, KV blocks and the packed tiles that attention kernels read.
#pragma once
#include "cpu/cpu_context.h"

namespace afterimage {

// v_dim padded to whole vectors of every instruction set.
constexpr int padded_width(int dim) { return (dim + 15) / 16 * 16; }

// Throws INVALID_PROGRAM for heads wider than the kernels' tiles.
void check_head_width(const OpAttrs& attrs);

// Bytes of one packed tile: keys, then values; both multiples of 64.
struct TileSize {
  size_t keys, values;
  size_t bytes() const { return keys + values; }
};
TileSize tile_size(int k_dim, int v_dim, TileForm form);

// One vector into position `position` (of 64) of a stored tile.
void store_kv(uint8_t* tile, KvType type, int position, int dim, const float* x);

// Positions [0, count) of a stored tile as rows of f32: pointers into `tile` for f32, else into `buffer` [64][dim].
void load_kv(const KernelTable& kernels, const uint8_t* tile, KvType type, int count, int dim, float* buffer,
             const float** rows);

// Cache position of row r of the sequence, and the block that holds a position.
inline uint8_t* block_of(const SequenceRows& s, int64_t position) {
  return static_cast<uint8_t*>(s.blocks[static_cast<size_t>(position / kBlockPositions)]->host());
}

}  // namespace afterimage
