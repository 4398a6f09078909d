#include "metal/elementwise_params.h"
#include "metal/operators.h"

namespace afterimage::metal {
namespace {

// 0: b[R,w], 1: b[R,1], 2: weight[w]
uint32_t broadcast_of(const Dispatch& d) {
  if (d.weights[0]) return 2;
  return d.in[1] && d.in[1].width == 1 && d.in[0].width != 1 ? 1 : 0;
}

}  // namespace

void encode_elementwise(Encoder& encoder, const Dispatch& d) {
  const int64_t count = d.out[0].rows * d.out[0].width;
  const bool binary = d.op == Op::Add || d.op == Op::Mul || d.op == Op::GatedActivation;
  encoder.kernel(plain_kernel(d.op), 256);
  encoder.bind(0, d.in[0]).bind(2, d.out[0]);
  if (d.op == Op::Clamp) encoder.bind(1, weight_of(d, 0)->vector()).bind(4, weight_of(d, 1)->vector());
  if (binary) d.weights[0] ? encoder.bind(1, weight_of(d, 0)->vector()) : encoder.bind(1, d.in[1]);
  encoder.constants(
      3, ElementwiseParams{static_cast<uint32_t>(count), static_cast<uint32_t>(d.out[0].width), broadcast_of(d),
                           static_cast<uint32_t>(d.attrs->activation), d.attrs->scale, d.attrs->softcap});
  encoder.dispatch_elements(count);
}

}  // namespace afterimage::metal
