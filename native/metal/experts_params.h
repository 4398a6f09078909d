// Of experts.metal.
#pragma once
#include "params.h"

namespace afterimage {
namespace metal {

struct RouteParams {
  uint32_t experts;
  uint32_t k;
  uint32_t groups;
  uint32_t topk_groups;
  uint32_t sigmoid_score;
  uint32_t normalize;
  uint32_t has_bias;
  float scale;
};
PARAMS_LAYOUT(RouteParams, scale, 28, 32);

// A pair is a row and one of the k experts it is routed to: pair = row · k + choice.
struct ExpertParams {
  uint32_t k;
  uint32_t per_expert;
  uint32_t columns;
  uint32_t outs;
  uint32_t experts;
  uint32_t pairs;
};
PARAMS_LAYOUT(ExpertParams, pairs, 20, 24);

}  // namespace metal
}  // namespace afterimage
