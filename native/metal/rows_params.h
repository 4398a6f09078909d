// Of rows.metal.
#pragma once
#include "params.h"

namespace afterimage {
namespace metal {

struct RowsParams {
  uint32_t rows;
  uint32_t width;
  uint32_t source_rows;
  uint32_t terms;  // indices per row
  int32_t start;
  int32_t count;
  float scale;
};
PARAMS_LAYOUT(RowsParams, scale, 24, 28);

}  // namespace metal
}  // namespace afterimage
