// Of delta.metal.
#pragma once
#include "params.h"

namespace afterimage {
namespace metal {

struct DeltaParams {
  uint32_t key_heads;
  uint32_t value_heads;
  uint32_t k_dim;
  uint32_t v_dim;
};
PARAMS_LAYOUT(DeltaParams, v_dim, 12, 16);

}  // namespace metal
}  // namespace afterimage
