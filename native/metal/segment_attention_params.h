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
};
PARAMS_LAYOUT(SegmentAttentionParams, scale, 20, 24);

}  // namespace metal
}  // namespace afterimage
