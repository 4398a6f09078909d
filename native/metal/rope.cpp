#include "metal/operators.h"
#include "metal/rope_params.h"

namespace afterimage::metal {

void encode_rope_table(Encoder& encoder, const Dispatch& d) {
  const auto n = static_cast<uint32_t>(d.attrs->inv_freq.size());
  const auto rows = static_cast<uint32_t>(d.out[0].rows);
  encoder.kernel(plain_kernel(d.op), 256);
  encoder.bind(0, d.in[0])
      .bind(1, encoder.upload(d.attrs->inv_freq))
      .bind(2, encoder.upload(d.attrs->axis))
      .bind(3, d.out[0]);
  encoder.constants(4, RopeTableParams{rows, n, static_cast<uint32_t>(d.in[0].width), d.attrs->scale});
  encoder.dispatch_elements(int64_t{rows} * n);
}

RopeParams rope_params(const Dispatch& d) {
  const auto groups = static_cast<uint32_t>(d.attrs->groups);
  return {static_cast<uint32_t>(d.in[0].rows * d.in[0].width),
          static_cast<uint32_t>(d.in[0].width) / groups,
          groups,
          static_cast<uint32_t>(d.attrs->start),
          static_cast<uint32_t>(d.in[1].width / 2),
          d.attrs->interleaved};
}

void encode_rope(Encoder& encoder, const Dispatch& d) {
  const int64_t count = d.in[0].rows * d.in[0].width;
  encoder.kernel(plain_kernel(d.op), 256);
  encoder.bind(0, d.in[0]).bind(1, d.in[1]).bind(2, d.out[0]);
  encoder.constants(3, rope_params(d));
  encoder.dispatch_elements(count);
}

}  // namespace afterimage::metal
