#include "metal/operators.h"
#include "metal/rows_params.h"

namespace afterimage::metal {
namespace {

RowsParams params_of(const Dispatch& d, int64_t source_rows, int64_t terms) {
  return {static_cast<uint32_t>(d.out[0].rows),
          static_cast<uint32_t>(d.out[0].width),
          static_cast<uint32_t>(source_rows),
          static_cast<uint32_t>(terms),
          d.attrs->start,
          d.attrs->count,
          d.attrs->scale};
}

void dispatch_rows(Encoder& encoder, const Tensor& out) {
  encoder.dispatch(tiles_of(out.width, 256), static_cast<uint32_t>(out.rows));
}

void encode_weighted_rows(Encoder& encoder, const Dispatch& d) {
  const MetalWeight* table = weight_of(d, 0);
  if (table && table->quantized())
    throw KernelUnavailable("weighted_rows_" + table->format(),
                            "tables of weighted rows are read from float weights only");
  encoder.kernel("rows", "weighted_rows_" + (table ? table->format() : "f32"), 256);
  table ? encoder.bind(1, table->data()) : encoder.bind(1, d.in[0]);
  encoder.bind(0, d.in[1]).bind(2, d.in[2]).bind(4, d.out[0]);
  encoder.constants(5, params_of(d, table ? table->rows() : d.in[0].rows, d.in[1].width));
  dispatch_rows(encoder, d.out[0]);
}

}  // namespace

void encode_embedding(Encoder& encoder, const Dispatch& d) {
  const MetalWeight& table = *weight_of(d, 0);
  encoder.kernel("rows", "embedding_" + table.format(), 256);
  encoder.bind(0, d.in[0]).bind(1, table.data()).bind(4, d.out[0]);
  encoder.constants(5, params_of(d, table.rows(), 1));
  if (table.quantized()) encoder.bind(2, table.scales()).bind(3, table.biases()).constants(6, table.matrix());
  dispatch_rows(encoder, d.out[0]);
}

void encode_rows(Encoder& encoder, const Dispatch& d) {
  if (d.op == Op::WeightedRows) return encode_weighted_rows(encoder, d);
  const bool taps = d.op == Op::GatherRows || d.op == Op::DepthwiseRows;
  const Tensor& index = d.in[taps ? 1 : 2];
  encoder.kernel(plain_kernel(d.op), 256).bind(0, d.in[0]).bind(2, index).bind(4, d.out[0]);
  if (d.op == Op::DepthwiseRows) encoder.bind(1, weight_of(d, 0)->vector());
  if (!taps) d.in[1] ? encoder.bind(1, d.in[1]) : encoder.bind_unused(1);
  encoder.constants(5, params_of(d, d.in[taps ? 0 : 1].rows, index.width));
  dispatch_rows(encoder, d.out[0]);
}

}  // namespace afterimage::metal
