#include "metal/linear_params.h"
#include "metal/operators.h"

namespace afterimage::metal {

void encode_linear_quantized(Encoder& encoder, const Dispatch& d) {
  const MetalWeight& w = *weight_of(d, 0);
  const int64_t rows = d.out[0].rows;
  const int64_t tile = rows == 1 ? 1 : 8;
  encoder.kernel("linear_quantized", "linear_" + w.format() + "_" + std::to_string(tile), 128);
  encoder.bind(0, d.in[0]).bind(1, w.data()).bind(2, w.scales()).bind(3, w.biases()).bind(6, d.out[0]);
  d.weights[1] ? encoder.bind(4, weight_of(d, 1)->vector()) : encoder.bind_unused(4);
  d.in[1] ? encoder.bind(5, d.in[1]) : encoder.bind_unused(5);
  encoder.constants(7, w.matrix());
  encoder.constants(
      8, LinearParams{static_cast<uint32_t>(rows), static_cast<uint32_t>(w.columns()), static_cast<uint32_t>(w.rows()),
                      static_cast<uint32_t>(d.attrs->activation), d.weights[1] != nullptr, static_cast<bool>(d.in[1])});
  encoder.dispatch(tiles_of(w.rows(), 16), tiles_of(rows, tile));
}

}  // namespace afterimage::metal
