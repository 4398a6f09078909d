// Of conv.metal.
#pragma once
#include "params.h"

namespace afterimage {
namespace metal {

struct ConvParams {
  uint32_t channels;
  uint32_t taps;  // K
  uint32_t activation;
  uint32_t has_bias;
};
PARAMS_LAYOUT(ConvParams, has_bias, 12, 16);

}  // namespace metal
}  // namespace afterimage
