// Of images.metal.
#pragma once
#include "params.h"

namespace afterimage {
namespace metal {

struct ImageParams {
  uint32_t images;
  uint32_t channels;  // of x
  uint32_t outs;      // columns of y
  uint32_t rows;      // of y
  uint32_t kernel_y;
  uint32_t kernel_x;
  uint32_t stride_y;
  uint32_t stride_x;
  uint32_t pad_y;
  uint32_t pad_x;
  uint32_t factor;
  uint32_t whole;
  uint32_t activation;
  uint32_t has_bias;
  float scale;
  float shift;
  uint32_t inner_activation;
  uint32_t inner_has_bias;
  float inner_scale;
  float inner_shift;
  uint32_t first_row;  // of y in this dispatch of a convolution
};
PARAMS_LAYOUT(ImageParams, first_row, 80, 84);

}  // namespace metal
}  // namespace afterimage
