// Of rope.metal.
#pragma once
#include "params.h"

namespace afterimage {
namespace metal {

struct RopeTableParams {
  uint32_t rows;
  uint32_t n;     // frequencies
  uint32_t axes;  // columns of positions
  float scale;
};
PARAMS_LAYOUT(RopeTableParams, scale, 12, 16);

struct RopeParams {
  uint32_t count;  // R·groups·d
  uint32_t d;
  uint32_t groups;
  uint32_t start;
  uint32_t n;
  uint32_t interleaved;
};
PARAMS_LAYOUT(RopeParams, interleaved, 20, 24);

}  // namespace metal
}  // namespace afterimage
