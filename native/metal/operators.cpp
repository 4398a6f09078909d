#include "metal/operators.h"

#include <algorithm>

namespace afterimage::metal {
namespace {

constexpr int64_t kRowTile = 32;  // the largest of the kernels that are dispatched in parts

Tensor rows_of(Tensor tensor, int64_t first, int64_t rows) {
  if (!tensor) return tensor;
  tensor.offset += static_cast<size_t>(first * tensor.width) * 4;
  tensor.rows = rows;
  return tensor;
}

// Operators whose operands all have the rows of the result: a row's bits are the same in any part.
bool works_row_by_row(Op op) { return op == Op::Linear || op == Op::ExpertLinear; }

Range range_of(const Tensor& tensor) {
  return {&buffer_of(tensor.memory), tensor.offset, tensor.offset + tensor.bytes()};
}

void declare_operands(Encoder& encoder, const Dispatch& dispatch) {
  std::vector<Range> reads, writes;
  add_operands(dispatch, reads, writes);
  encoder.operands(std::move(reads), std::move(writes));
}

void encode_operator(Encoder& encoder, const Dispatch& dispatch) {
  switch (dispatch.op) {
    case Op::Linear:
      return encode_linear(encoder, dispatch);
    case Op::Embedding:
      return encode_embedding(encoder, dispatch);
    case Op::RmsNorm:
    case Op::LayerNorm:
      return encode_norm(encoder, dispatch);
    case Op::RopeTable:
      return encode_rope_table(encoder, dispatch);
    case Op::Rope:
      return encode_rope(encoder, dispatch);
    case Op::Attention:
      return encode_attention(encoder, dispatch);
    case Op::SegmentAttention:
      return encode_segment_attention(encoder, dispatch);
    case Op::Add:
    case Op::Mul:
    case Op::Activation:
    case Op::GatedActivation:
    case Op::Softcap:
    case Op::Clamp:
      return encode_elementwise(encoder, dispatch);
    case Op::RowStatistic:
      return encode_row_statistic(encoder, dispatch);
    case Op::ReplaceRows:
    case Op::AddRows:
    case Op::ChooseRows:
    case Op::GatherRows:
    case Op::DepthwiseRows:
    case Op::WeightedRows:
      return encode_rows(encoder, dispatch);
    case Op::Regroup:
    case Op::Slice:
    case Op::Concat:
    case Op::Repeat:
    case Op::TransposeInner:
      return encode_layout(encoder, dispatch);
    case Op::ShortConv:
      return encode_short_conv(encoder, dispatch);
    case Op::GatedDelta:
      return encode_gated_delta(encoder, dispatch);
    case Op::Route:
      return encode_route(encoder, dispatch);
    case Op::ExpertLinear:
      return encode_expert_linear(encoder, dispatch);
    case Op::ExpertSum:
      return encode_expert_sum(encoder, dispatch);
    case Op::Convolution:
    case Op::DepthwiseConvolution:
    case Op::SeparableConvolution:
    case Op::ImageMean:
    case Op::ScaleImages:
    case Op::Spread:
      return encode_images(encoder, dispatch);
    case Op::BestClass:
      return encode_best_class(encoder, dispatch);
  }
}

bool multiplies_on_matrices(const Encoder& encoder, const Dispatch& dispatch) {
  const MetalWeight* weight = weight_of(dispatch, 0);
  return (dispatch.op == Op::Linear && on_matrices(encoder.choose(linear_kernels(*weight)))) ||
         (dispatch.op == Op::ExpertLinear && on_matrices(encoder.choose(expert_kernels(*weight))));
}

}  // namespace

// The cache and the states of a batch are one thing each.
void add_operands(const Dispatch& dispatch, std::vector<Range>& reads, std::vector<Range>& writes) {
  static const char cache = 0, states = 0;
  for (const Tensor& tensor : dispatch.in)
    if (tensor) reads.push_back(range_of(tensor));
  for (const Tensor& tensor : dispatch.out)
    if (tensor) writes.push_back(range_of(tensor));
  if (dispatch.op == Op::Attention) writes.push_back({&cache, 0, 1});
  if (dispatch.op == Op::ShortConv || dispatch.op == Op::GatedDelta) writes.push_back({&states, 0, 1});
}

void encode(Encoder& encoder, const Dispatch& dispatch) {
  const int64_t rows = dispatch.out[0].rows;
  if (rows == 0 || dispatch.out[0].width == 0) return;
  declare_operands(encoder, dispatch);
  const bool matrices = multiplies_on_matrices(encoder, dispatch);
  const Work work = work_of(dispatch, matrices);
  const int64_t most = works_row_by_row(dispatch.op) ? units_at_once(rows, work.flop, work.rate, kRowTile) : rows;
  if (most >= rows) {
    encoder.make_room(work.seconds());
    return encode_operator(encoder, dispatch);
  }
  for (int64_t first = 0; first < rows; first += most) {
    Dispatch part = dispatch;
    const int64_t count = std::min(most, rows - first);
    for (Tensor& tensor : part.in) tensor = rows_of(tensor, first, count);
    for (Tensor& tensor : part.out) tensor = rows_of(tensor, first, count);
    encoder.make_room(work_of(part, matrices).seconds());
    encode_operator(encoder, part);
  }
}

}  // namespace afterimage::metal
