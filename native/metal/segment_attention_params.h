// Of segment_attention.metal.
#pragma once
#include "params.h"

namespace afterimage {
namespace metal {

struct SegmentAttentionParams {
  uint32_t segments;
  uint32_t heads;
  uint32_t kv_heads;
  uint32_t k_dim;
  uint32_t v_dim;
  float scale;
  uint32_t first_tile;  // of this dispatch
  uint32_t limited;     // 1: rows see their segment up to visible[row]
};
PARAMS_LAYOUT(SegmentAttentionParams, limited, 28, 32);

}  // namespace metal
}  // namespace afterimage
