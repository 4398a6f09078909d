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
TileSize tile_size(int k_dim, int v_dim, TileForms forms);

// One vector into position `position` (of 64) of a stored tile.
void store_kv(uint8_t* tile, KvType type, int position, int dim, const float* x);

// One head's keys and values of positions [0, count) of a block; `next` are the keys that are read after these, or
// null.
struct StoredTile {
  const uint8_t *keys, *values, *next;
  KvType type;
  int count, k_dim, v_dim;
};

// The form that kernels read, in `packed` (a tile_size of it) as far as it is not read where it is stored: what has 16
// bits stays so for `few_rows`. `buffer` [64][max(k_dim, v_dim)].
KvTile pack_tile(const KernelTable& kernels, const StoredTile& stored, TileForm form, bool few_rows, uint8_t* packed,
                 float* buffer);

// Cache position of row r of the sequence, and the block that holds a position.
inline uint8_t* block_of(const SequenceRows& s, int64_t position) {
  return static_cast<uint8_t*>(s.blocks[static_cast<size_t>(position / kBlockPositions)]->host());
}

}  // namespace afterimage
