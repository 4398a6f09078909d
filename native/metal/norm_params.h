// Of norm.metal.
#pragma once
#include "params.h"

namespace afterimage {
namespace metal {

struct NormParams {
  uint32_t d;
  uint32_t groups;
  float eps;
  float weight_offset;
  uint32_t has_weight;
  uint32_t has_bias;
};
PARAMS_LAYOUT(NormParams, has_bias, 20, 24);

struct StatisticParams {
  uint32_t d;
  uint32_t statistic;
  float eps;
  float scale;
};
PARAMS_LAYOUT(StatisticParams, scale, 12, 16);

}  // namespace metal
}  // namespace afterimage
