// Bicubic resampling equal to Pillow's bit for bit, as src/image/resize.ts has it for all filters: separable, first
// across and then down, weights in 22-bit fixed point, each pass rounded and clamped to 8 bits.
// https://github.com/python-pillow/Pillow/blob/main/src/libImaging/Resample.c
#pragma once
#include "lines/rgb_image.h"

namespace afterimage {

RgbImage bicubic(RgbImage image, int width, int height);

}  // namespace afterimage
