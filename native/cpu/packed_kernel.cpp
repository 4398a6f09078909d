#include "cpu/packed_kernel.h"

#include <algorithm>
#include <cmath>

namespace afterimage {

std::vector<int> strip_widths(int64_t outs, int lanes, int widest) {
  auto vectors = static_cast<int>((outs + lanes - 1) / lanes);
  std::vector<int> widths;
  for (int strips = (vectors + widest - 1) / widest; strips > 0; --strips) {
    widths.push_back((vectors + strips - 1) / strips);
    vectors -= widths.back();
  }
  return widths;
}

namespace {

// place(strip, columns of the strip, lane, output) for every output.
template <class Place>
void for_each_output(int64_t outs, int lanes, int widest, Place place) {
  int64_t out = 0, first = 0;
  for (int width : strip_widths(outs, lanes, widest)) {
    const int64_t columns = int64_t{width} * lanes;
    for (int64_t lane = 0; lane < columns && out < outs; ++lane, ++out) place(first, columns, lane, out);
    first += columns;
  }
}

int64_t padded_outs(int64_t outs, int lanes) { return (outs + lanes - 1) / lanes * lanes; }

}  // namespace

double pair_factor(const float* weights, int64_t count) {
  // Several sums, because one would wait for itself at every weight.
  constexpr int64_t kSums = 8;
  double sums[kSums] = {};
  float mosts[kSums] = {};
  int64_t k = 0;
  for (; k + kSums <= count; k += kSums)
    for (int64_t i = 0; i < kSums; ++i) {
      const float size = std::abs(weights[k + i]);
      sums[i] += size;
      mosts[i] = mosts[i] < size ? size : mosts[i];
    }
  for (; k < count; ++k) sums[0] += std::abs(weights[k]), mosts[0] = std::max(mosts[0], std::abs(weights[k]));
  double sum = 0, most = 0;
  for (int64_t i = 0; i < kSums; ++i) sum += sums[i], most = std::max<double>(most, mosts[i]);
  if (most == 0) return 1;
  const double roundings = 0.5 * static_cast<double>(count);
  return std::min(32767 / most, (2147483647.0 / kMostPairInput - roundings) / sum);
}

size_t kernel_bytes(int64_t outs, int64_t columns, int lanes, bool pairs) {
  const int64_t elements = padded_outs(outs, lanes) * (pairs ? (columns + 1) / 2 * 2 : columns);
  return static_cast<size_t>(elements) * (pairs ? sizeof(int16_t) : sizeof(float));
}

PackedKernel pack_kernel(const WeightSource& source, int lanes, int widest) {
  PackedKernel kernel;
  kernel.outs = source.rows;
  kernel.columns = source.columns;
  kernel.bytes = AlignedBytes(kernel_bytes(source.rows, source.columns, lanes, false));
  auto* values = reinterpret_cast<float*>(kernel.bytes.data());
  std::vector<float> row(static_cast<size_t>(source.columns));
  for_each_output(source.rows, lanes, widest, [&](int64_t first, int64_t columns, int64_t lane, int64_t out) {
    dequantize_row(source, 0, out, row.data());
    float* strip = values + first * source.columns + lane;
    for (int64_t k = 0; k < source.columns; ++k) strip[k * columns] = row[static_cast<size_t>(k)];
  });
  return kernel;
}

PackedKernel pack_kernel_pairs(const WeightSource& source, int lanes, int widest) {
  PackedKernel kernel;
  kernel.outs = source.rows;
  kernel.columns = source.columns;
  const int64_t pairs = (source.columns + 1) / 2;
  kernel.bytes = AlignedBytes(kernel_bytes(source.rows, source.columns, lanes, true));
  kernel.scales.resize(static_cast<size_t>(padded_outs(source.rows, lanes)));
  auto* values = reinterpret_cast<int16_t*>(kernel.bytes.data());
  std::vector<float> row(static_cast<size_t>(source.columns));
  for_each_output(source.rows, lanes, widest, [&](int64_t first, int64_t columns, int64_t lane, int64_t out) {
    dequantize_row(source, 0, out, row.data());
    const double factor = pair_factor(row.data(), source.columns);
    kernel.scales[static_cast<size_t>(out)] = static_cast<float>(1 / factor);
    int16_t* strip = values + (first * pairs + lane) * 2;
    for (int64_t k = 0; k < source.columns; ++k)
      strip[k / 2 * columns * 2 + k % 2] = static_cast<int16_t>(std::lrint(row[static_cast<size_t>(k)] * factor));
  });
  return kernel;
}

}  // namespace afterimage
