// Of attention.metal and attention_matrix.metal.
#pragma once
#include "params.h"

namespace afterimage {
namespace metal {

enum { kSpan = 128 };  // positions whose state attention_matrix.metal folds at once

struct AttentionParams {
  uint32_t heads;
  uint32_t kv_heads;
  uint32_t k_dim;
  uint32_t v_dim;
  uint32_t window;
  uint32_t start;
  float scale;
  float softcap;
  uint32_t causal;  // a row sees itself and what is before it, whatever its visible_end
  // Of attention_split: the first span that a query sees, and how many there are from it on.
  uint32_t first_span;
  uint32_t spans;
  uint32_t first_kv_head;  // of the dispatch
  uint64_t key_offset;     // bytes into a block, of kv head 0
  uint64_t value_offset;
  uint64_t key_stride;  // bytes from one kv head to the next
  uint64_t value_stride;
};
PARAMS_LAYOUT(AttentionParams, value_stride, 72, 80);

// Where a row of the run lies in the cache.
struct RowPlace {
  uint32_t block;    // index into the run's block table
  uint32_t slot;     // position within the block
  int32_t position;  // in the sequence
  int32_t visible_end;
};
PARAMS_LAYOUT(RowPlace, visible_end, 12, 16);

// Queries [first, first + count) of one sequence: number u is row first_row + u / group, head u % group of the kv head.
struct QueryTile {
  uint32_t first_row;
  uint32_t first_block;
  uint32_t first;
  uint32_t count;
};
PARAMS_LAYOUT(QueryTile, count, 12, 16);

// Entry of the block table.
struct KvBlock {
  DEVICE_POINTER(uint8_t) bytes;
};
PARAMS_LAYOUT(KvBlock, bytes, 0, 8);

}  // namespace metal
}  // namespace afterimage
