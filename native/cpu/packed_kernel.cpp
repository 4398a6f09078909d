#include "cpu/packed_kernel.h"

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

PackedKernel pack_kernel(const WeightSource& source, int lanes, int widest) {
  PackedKernel kernel;
  kernel.outs = source.rows;
  kernel.columns = source.columns;
  const std::vector<int> widths = strip_widths(source.rows, lanes, widest);
  const int64_t padded = (source.rows + lanes - 1) / lanes * lanes;
  kernel.bytes = AlignedBytes(static_cast<size_t>(padded * source.columns) * sizeof(float));
  std::vector<float> row(static_cast<size_t>(source.columns));
  auto* strip = reinterpret_cast<float*>(kernel.bytes.data());
  int64_t out = 0;
  for (int width : widths) {
    const int64_t columns = int64_t{width} * lanes;
    for (int64_t lane = 0; lane < columns && out < source.rows; ++lane, ++out) {
      dequantize_row(source, 0, out, row.data());
      for (int64_t k = 0; k < source.columns; ++k) strip[k * columns + lane] = row[static_cast<size_t>(k)];
    }
    strip += columns * source.columns;
  }
  return kernel;
}

}  // namespace afterimage
