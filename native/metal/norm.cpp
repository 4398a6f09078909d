#include "metal/norm_params.h"
#include "metal/operators.h"

namespace afterimage::metal {
namespace {

// Depends on the width alone, so that the order of every sum does too.
uint32_t threads_for(uint32_t width) { return width <= 512 ? 32 : 256; }

}  // namespace

void encode_row_statistic(Encoder& encoder, const Dispatch& d) {
  const auto width = static_cast<uint32_t>(d.in[0].width);
  encoder.kernel(plain_kernel(d.op), threads_for(width)).bind(0, d.in[0]).bind(3, d.out[0]);
  encoder.constants(4, StatisticParams{width, static_cast<uint32_t>(d.attrs->statistic), d.attrs->eps, d.attrs->scale});
  encoder.dispatch(static_cast<uint32_t>(d.in[0].rows));
}

void encode_norm(Encoder& encoder, const Dispatch& d) {
  const bool rms = d.op == Op::RmsNorm;
  const auto groups = static_cast<uint32_t>(d.attrs->groups);
  const auto width = static_cast<uint32_t>(d.in[0].width) / groups;
  encoder.kernel(plain_kernel(d.op), threads_for(width));
  encoder.bind(0, d.in[0]).bind(3, d.out[0]);
  d.weights[0] ? encoder.bind(1, weight_of(d, 0)->vector()) : encoder.bind_unused(1);
  if (!rms) d.weights[1] ? encoder.bind(2, weight_of(d, 1)->vector()) : encoder.bind_unused(2);
  encoder.constants(4, NormParams{width, groups, d.attrs->eps, d.attrs->weight_offset, d.weights[0] != nullptr,
                                  d.weights[1] != nullptr});
  encoder.dispatch(static_cast<uint32_t>(d.in[0].rows) * groups);
}

}  // namespace afterimage::metal
