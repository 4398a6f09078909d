#include "metal/kernel_names.h"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "metal/operators.h"

namespace afterimage::metal {
namespace {

const std::map<Op, KernelName>& plain_kernels() {
  static const std::map<Op, KernelName> names{
      {Op::RmsNorm, {"norm", "rms_norm"}},
      {Op::LayerNorm, {"norm", "layer_norm"}},
      {Op::RowStatistic, {"norm", "row_statistic"}},
      {Op::RopeTable, {"rope", "rope_table"}},
      {Op::Rope, {"rope", "rope"}},
      {Op::Add, {"elementwise", "add"}},
      {Op::Mul, {"elementwise", "multiply"}},
      {Op::Activation, {"elementwise", "activation"}},
      {Op::GatedActivation, {"elementwise", "gated_activation"}},
      {Op::Softcap, {"elementwise", "softcap"}},
      {Op::Clamp, {"elementwise", "clamp_between"}},
      {Op::ReplaceRows, {"rows", "replace_rows"}},
      {Op::AddRows, {"rows", "add_rows"}},
      {Op::ChooseRows, {"rows", "choose_rows"}},
      {Op::GatherRows, {"rows", "gather_rows"}},
      {Op::DepthwiseRows, {"rows", "depthwise_rows"}},
      {Op::Regroup, {"layout", "copy_elements"}},
      {Op::Slice, {"layout", "slice"}},
      {Op::Concat, {"layout", "concat"}},
      {Op::Repeat, {"layout", "repeat"}},
      {Op::TransposeInner, {"layout", "transpose_inner"}},
      {Op::GatedDelta, {"delta", "gated_delta"}},
      {Op::Route, {"experts", "route"}},
      {Op::ExpertSum, {"experts", "expert_sum"}},
      {Op::Convolution, {"images", "convolution"}},
      {Op::DepthwiseConvolution, {"images", "depthwise_convolution"}},
      {Op::SeparableConvolution, {"images", "separable_convolution"}},
      {Op::ImageMean, {"images", "image_mean"}},
      {Op::ScaleImages, {"images", "scale_images"}},
      {Op::Spread, {"images", "spread"}},
      {Op::BestClass, {"images", "best_class"}},
  };
  return names;
}

}  // namespace

const KernelName& plain_kernel(Op op) {
  const auto found = plain_kernels().find(op);
  if (found == plain_kernels().end()) throw std::logic_error("This operator has several kernels.");
  return found->second;
}

KernelName rope_store_kernel(KvType type) { return {"attention", std::string("rope_store_") + name_of(type)}; }

KernelName norm_join(const KernelSet& linear) { return {kNoPipeline, linear.front().kernel + kNormed}; }

bool on_matrices(const KernelSet& kernels) {
  return !kernels.empty() && kernels.front().family.find("_matrix") != std::string::npos;
}

std::vector<KernelSet> kernel_sets(const OperatorUse& use, std::optional<KvType> kv) {
  const auto* weight = static_cast<const MetalWeight*>(use.weights[0]);
  const std::string format = weight ? weight->format() : "f32";
  switch (use.op) {
    case Op::Linear:
      return linear_kernels(*weight);
    case Op::Embedding:
      return {{{"rows", "embedding_" + format}}};
    case Op::WeightedRows:
      return {{{"rows", "weighted_rows_" + format}}};
    case Op::ExpertLinear:
      return expert_kernels(*weight);
    case Op::ShortConv:
      return {{{"conv", "short_conv"}, {"conv", "short_conv_state"}}};
    case Op::Attention:
      if (!kv) return {};
      return attention_kernels(*use.attrs, *kv);
    case Op::SegmentAttention: {
      const int32_t dim = segment_dim(std::max(use.attrs->k_dim, use.attrs->v_dim));
      if (dim == 0) return {};
      return {{{"segment_attention", "segment_attention_" + std::to_string(dim)}}};
    }
    default:
      return {{plain_kernel(use.op)}};
  }
}

}  // namespace afterimage::metal
