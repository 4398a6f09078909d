#include "metal/layout_params.h"
#include "metal/operators.h"

namespace afterimage::metal {
namespace {

struct Movement {
  int64_t a, b, start;
};

Movement movement_of(const Dispatch& d) {
  const OpAttrs& attrs = *d.attrs;
  const int64_t width = d.in[0].width;
  switch (d.op) {
    case Op::Slice:
      return {width / attrs.groups, attrs.count, attrs.start};
    case Op::Concat:
      return {width / attrs.groups, d.in[1].width / attrs.groups, 0};
    case Op::Repeat:
      return {width, attrs.times, 0};
    case Op::TransposeInner:
      return {attrs.m, width / attrs.m, 0};
    default:
      return {0, 0, 0};
  }
}

}  // namespace

void encode_layout(Encoder& encoder, const Dispatch& d) {
  const Movement move = movement_of(d);
  const int64_t count = d.out[0].rows * d.out[0].width;
  encoder.kernel(plain_kernel(d.op), 256);
  encoder.bind(0, d.in[0]).bind(2, d.out[0]);
  if (d.op == Op::Concat) encoder.bind(1, d.in[1]);
  encoder.constants(3, LayoutParams{static_cast<uint32_t>(count), static_cast<uint32_t>(move.a),
                                    static_cast<uint32_t>(move.b), static_cast<uint32_t>(move.start)});
  encoder.dispatch_elements(count);
}

}  // namespace afterimage::metal
