// Of elementwise.metal.
#pragma once
#include "params.h"

namespace afterimage {
namespace metal {

struct ElementwiseParams {
  uint32_t count;  // R·w
  uint32_t width;
  uint32_t broadcast;  // 0: b[R,w]; 1: b[R,1]; 2: b[w]
  uint32_t activation;
  float scale;
  float cap;
};
PARAMS_LAYOUT(ElementwiseParams, cap, 20, 24);

}  // namespace metal
}  // namespace afterimage
