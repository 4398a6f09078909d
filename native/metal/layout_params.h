// Of layout.metal.
#pragma once
#include "params.h"

namespace afterimage {
namespace metal {

struct LayoutParams {
  uint32_t count;  // elements of the output
  uint32_t a;      // see each kernel
  uint32_t b;
  uint32_t start;
};
PARAMS_LAYOUT(LayoutParams, start, 12, 16);

}  // namespace metal
}  // namespace afterimage
