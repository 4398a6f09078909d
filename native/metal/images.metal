// Operators on images: the rows of several images one after the other, each in raster order. A thread finds its image by
// walking the list of sizes. One order of sums for each output, whatever else runs.
#include "common.h"
#include "images_params.h"

// Pixels of one threadgroup of separable_convolution, and the channels whose depthwise results it keeps.
constant constexpr uint kTilePixels = 4;
constant constexpr uint kMostChannels = 1024;

// An image of x and the output pixel (y, x) of a row of the output.
struct Place {
  uint image;
  uint first;  // row of x at which the image begins
  uint height;
  uint width;
  uint y;
  uint x;
};

// `row` counts output pixels of images that are height / stride · factor high.
inline Place place_of(device const int* sizes, constant ImageParams& p, uint row) {
  Place at = {0, 0, 0, 0, 0, 0};
  uint out_width = 1;
  for (uint i = 0; i < p.images; ++i) {
    at.image = i;
    at.height = uint(sizes[2 * i]);
    at.width = uint(sizes[2 * i + 1]);
    out_width = at.width / p.stride_x * p.factor;
    uint out_rows = at.height / p.stride_y * p.factor * out_width;
    if (row < out_rows) break;
    row -= out_rows;
    at.first += at.height * at.width;
  }
  at.y = row / out_width;
  at.x = row % out_width;
  return at;
}

// Row of x that tap (ky, kx) sees; false outside the image.
inline bool tap_row(thread const Place& at, constant ImageParams& p, uint ky, uint kx, thread uint& row) {
  int iy = int(at.y * p.stride_y + ky) - int(p.pad_y);
  int ix = int(at.x * p.stride_x + kx) - int(p.pad_x);
  if (iy < 0 || ix < 0 || iy >= int(at.height) || ix >= int(at.width)) return false;
  row = at.first + uint(iy) * at.width + uint(ix);
  return true;
}

// grid: x = outputs, y = rows from p.first_row on
kernel void convolution(device const float* x [[buffer(0)]], device const int* sizes [[buffer(1)]],
                        device const float* w [[buffer(2)]], device const float* bias [[buffer(3)]],
                        device float* y [[buffer(6)]], constant ImageParams& p [[buffer(7)]],
                        uint2 at [[thread_position_in_grid]]) {
  if (at.x >= p.outs) return;
  uint own_row = at.y + p.first_row;
  Place place = place_of(sizes, p, own_row);
  device const float* column = w + ulong(at.x) * p.kernel_y * p.kernel_x * p.channels;
  float sum = 0.0f;
  for (uint ky = 0; ky < p.kernel_y; ++ky)
    for (uint kx = 0; kx < p.kernel_x; ++kx, column += p.channels) {
      uint row = 0;
      if (!tap_row(place, p, ky, kx, row)) continue;
      device const float* from = x + ulong(row) * p.channels;
      for (uint c = 0; c < p.channels; ++c) sum = fma(from[c], column[c], sum);
    }
  if (p.has_bias != 0) sum += bias[at.x];
  y[ulong(own_row) * p.outs + at.x] = fma(activate(p.activation, sum), p.scale, p.shift);
}

inline float depthwise_sum(device const float* x, device const float* w, thread const Place& place,
                           constant ImageParams& p, uint channel) {
  float sum = 0.0f;
  for (uint ky = 0; ky < p.kernel_y; ++ky)
    for (uint kx = 0; kx < p.kernel_x; ++kx) {
      uint row = 0;
      if (!tap_row(place, p, ky, kx, row)) continue;
      sum = fma(w[(ky * p.kernel_x + kx) * p.channels + channel], x[ulong(row) * p.channels + channel], sum);
    }
  return sum;
}

// grid: x = channels, y = rows from p.first_row on
kernel void depthwise_convolution(device const float* x [[buffer(0)]], device const int* sizes [[buffer(1)]],
                                  device const float* w [[buffer(2)]], device const float* bias [[buffer(3)]],
                                  device float* y [[buffer(6)]], constant ImageParams& p [[buffer(7)]],
                                  uint2 at [[thread_position_in_grid]]) {
  if (at.x >= p.channels) return;
  uint own_row = at.y + p.first_row;
  Place place = place_of(sizes, p, own_row);
  float sum = depthwise_sum(x, w, place, p, at.x);
  if (p.has_bias != 0) sum += bias[at.x];
  y[ulong(own_row) * p.channels + at.x] = fma(activate(p.activation, sum), p.scale, p.shift);
}

// One threadgroup for kTilePixels output pixels: their depthwise results, then all outputs.
kernel void separable_convolution(device const float* x [[buffer(0)]], device const int* sizes [[buffer(1)]],
                                  device const float* w [[buffer(2)]], device const float* bias [[buffer(3)]],
                                  device const float* taps [[buffer(4)]], device const float* inner_bias [[buffer(5)]],
                                  device float* y [[buffer(6)]], constant ImageParams& p [[buffer(7)]],
                                  uint group [[threadgroup_position_in_grid]],
                                  uint index [[thread_index_in_threadgroup]],
                                  uint threads [[threads_per_threadgroup]]) {
  threadgroup float middle[kTilePixels * kMostChannels];
  uint first = p.first_row + group * kTilePixels;
  uint count = min(kTilePixels, p.rows - first);
  for (uint i = 0; i < count; ++i) {
    Place place = place_of(sizes, p, first + i);
    for (uint c = index; c < p.channels; c += threads) {
      float sum = depthwise_sum(x, taps, place, p, c);
      if (p.inner_has_bias != 0) sum += inner_bias[c];
      middle[i * kMostChannels + c] = fma(activate(p.inner_activation, sum), p.inner_scale, p.inner_shift);
    }
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint o = index; o < p.outs; o += threads) {
    device const float* column = w + ulong(o) * p.channels;
    for (uint i = 0; i < count; ++i) {
      float sum = 0.0f;
      for (uint c = 0; c < p.channels; ++c) sum = fma(middle[i * kMostChannels + c], column[c], sum);
      if (p.has_bias != 0) sum += bias[o];
      y[ulong(first + i) * p.outs + o] = fma(activate(p.activation, sum), p.scale, p.shift);
    }
  }
}

// Sums of 256 pixels, then of those. grid: x = channels, y = images
kernel void image_mean(device const float* x [[buffer(0)]], device const int* sizes [[buffer(1)]],
                       device float* y [[buffer(6)]], constant ImageParams& p [[buffer(7)]],
                       uint2 at [[thread_position_in_grid]]) {
  if (at.x >= p.channels) return;
  ulong first = 0;
  for (uint i = 0; i < at.y; ++i) first += uint(sizes[2 * i]) * uint(sizes[2 * i + 1]);
  uint rows = uint(sizes[2 * at.y]) * uint(sizes[2 * at.y + 1]);
  float total = 0.0f;
  for (uint block = 0; block < rows; block += 256) {
    float sum = 0.0f;
    for (uint row = block; row < min(block + 256, rows); ++row) sum += x[(first + row) * p.channels + at.x];
    total += sum;
  }
  y[ulong(at.y) * p.channels + at.x] = total / float(rows);
}

// grid: x = columns, y = rows
kernel void scale_images(device const float* x [[buffer(0)]], device const int* sizes [[buffer(1)]],
                         device const float* gain [[buffer(2)]], device float* y [[buffer(6)]],
                         constant ImageParams& p [[buffer(7)]], uint2 at [[thread_position_in_grid]]) {
  if (at.x >= p.channels) return;
  uint image = place_of(sizes, p, at.y).image;
  ulong i = ulong(at.y) * p.channels + at.x;
  y[i] = x[i] * gain[ulong(image) * p.channels + at.x];
}

// grid: x = columns of y, y = rows of y
kernel void spread(device const float* x [[buffer(0)]], device const int* sizes [[buffer(1)]],
                   device float* y [[buffer(6)]], constant ImageParams& p [[buffer(7)]],
                   uint2 at [[thread_position_in_grid]]) {
  if (at.x >= p.outs) return;
  Place place = place_of(sizes, p, at.y);
  uint row = place.first + place.y / p.factor * place.width + place.x / p.factor;
  uint part = p.whole != 0 ? 0 : place.y % p.factor * p.factor + place.x % p.factor;
  y[ulong(at.y) * p.outs + at.x] = x[ulong(row) * p.channels + part * p.outs + at.x];
}

// One threadgroup of 256 threads for each row: each looks at every 256th column, then the threads' findings are joined
// in their order.
kernel void best_class(device const float* x [[buffer(0)]], device float* y [[buffer(6)]],
                       constant ImageParams& p [[buffer(7)]], uint row [[threadgroup_position_in_grid]],
                       uint index [[thread_index_in_threadgroup]], uint threads [[threads_per_threadgroup]]) {
  threadgroup float values[256];
  threadgroup uint places[256];
  device const float* from = x + ulong(row) * p.channels;
  uint place = min(index, p.channels - 1);
  for (uint c = index; c < p.channels; c += threads)
    if (from[c] > from[place]) place = c;
  values[index] = from[place];
  places[index] = place;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  float best = values[0];
  uint best_place = places[0];
  for (uint i = 1; i < threads; ++i) {
    bool better = values[i] > best || (values[i] == best && places[i] < best_place);
    best_place = better ? places[i] : best_place;
    best = better ? values[i] : best;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  float sum = 0.0f;
  for (uint c = index; c < p.channels; c += threads) sum += exp(from[c] - best);
  values[index] = sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (index != 0) return;
  float total = values[0];
  for (uint i = 1; i < threads; ++i) total += values[i];
  y[2 * ulong(row)] = float(best_place);
  y[2 * ulong(row) + 1] = 1.0f / total;
}
