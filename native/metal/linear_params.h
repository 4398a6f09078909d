// Of linear_float.metal and linear_quantized.metal; the latter reads columns and outs from its QuantizedMatrix.
#pragma once
#include "params.h"

namespace afterimage {
namespace metal {

struct LinearParams {
  uint32_t rows;
  uint32_t columns;
  uint32_t outs;
  uint32_t activation;
  uint32_t has_bias;
  uint32_t has_residual;
};
PARAMS_LAYOUT(LinearParams, has_residual, 20, 24);

}  // namespace metal
}  // namespace afterimage
