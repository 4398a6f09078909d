#include "metal/operators.h"

namespace afterimage::metal {

void encode(Encoder& encoder, const Dispatch& dispatch) {
  if (dispatch.out[0].rows == 0 || dispatch.out[0].width == 0) return;
  switch (dispatch.op) {
    case Op::Linear:
      return weight_of(dispatch, 0)->quantized() ? encode_linear_quantized(encoder, dispatch)
                                                 : encode_linear_float(encoder, dispatch);
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

}  // namespace afterimage::metal
