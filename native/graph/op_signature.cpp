#include "graph/op_signature.h"

#include <algorithm>

namespace afterimage {
namespace {

constexpr DType f32 = DType::f32, i32 = DType::i32;
constexpr bool kOptional = true, kWhole = true, kRequired = true, kLocal = true, kNotLocal = false;

const std::vector<AttrSpec> kHeadAttrs = {
    {"heads", kRequired}, {"kvHeads", kRequired}, {"kDim", kRequired}, {"vDim", kRequired}, {"scale", kRequired}};

const std::vector<AttrSpec> kWindowAttrs = {{"kernelY"}, {"kernelX"},    {"strideY"}, {"strideX"}, {"padY"},
                                            {"padX"},    {"activation"}, {"scale"},   {"shift"}};
const std::vector<OperandSpec> kImageOperands = {{"x", f32, false, kWhole}, {"sizes", i32, false, kWhole}};

std::vector<AttrSpec> with(std::vector<AttrSpec> specs, std::vector<AttrSpec> more) {
  specs.insert(specs.end(), more.begin(), more.end());
  return specs;
}

const std::vector<OpSignature> kSignatures = {
    {Op::Linear,
     "linear",
     kLocal,
     {{"x"}, {"residual", f32, kOptional}},
     {{"W", kUseMatrix, 2}, {"b", kUseVector, 1, kOptional}},
     {f32},
     {{"activation"}}},
    {Op::Embedding, "embedding", kLocal, {{"ids", i32}}, {{"table", kUseTable, 2}}, {f32}, {{"scale"}, {"start"}}},
    {Op::RmsNorm,
     "rmsNorm",
     kLocal,
     {{"x"}},
     {{"weight", kUseVector, 1, kOptional}},
     {f32},
     {{"eps", kRequired}, {"groups"}, {"weightOffset"}}},
    {Op::LayerNorm,
     "layerNorm",
     kLocal,
     {{"x"}},
     {{"weight", kUseVector, 1, kOptional}, {"bias", kUseVector, 1, kOptional}},
     {f32},
     {{"eps", kRequired}, {"groups"}}},
    {Op::RopeTable,
     "ropeTable",
     kLocal,
     {{"positions", i32}},
     {},
     {f32},
     {{"invFreq", kRequired}, {"axis", kRequired}, {"scale"}}},
    {Op::Rope, "rope", kLocal, {{"x"}, {"table"}}, {}, {f32}, {{"groups"}, {"start"}, {"interleaved"}}},
    {Op::Attention,
     "attention",
     kNotLocal,
     {{"q"}, {"k", f32, kOptional}, {"v", f32, kOptional}},
     {},
     {f32},
     with(kHeadAttrs, {{"layer", kRequired}, {"window"}, {"start"}, {"softcap"}, {"causal"}})},
    {Op::SegmentAttention,
     "segmentAttention",
     kNotLocal,
     {{"q"}, {"k"}, {"v"}, {"segments", i32, false, kWhole}, {"visible", i32, kOptional}},
     {},
     {f32},
     kHeadAttrs},
    {Op::Add, "add", kLocal, {{"a"}, {"b", f32, kOptional}}, {{"b", kUseVector, 1, kOptional}}, {f32}, {}},
    {Op::Mul, "mul", kLocal, {{"a"}, {"b", f32, kOptional}}, {{"b", kUseVector, 1, kOptional}}, {f32}, {}},
    {Op::Activation, "activation", kLocal, {{"x"}}, {}, {f32}, {{"activation", kRequired}, {"scale"}}},
    {Op::GatedActivation, "gatedActivation", kLocal, {{"gate"}, {"up"}}, {}, {f32}, {{"activation", kRequired}}},
    {Op::Softcap, "softcap", kLocal, {{"x"}}, {}, {f32}, {{"softcap", kRequired}}},
    {Op::Clamp, "clamp", kLocal, {{"x"}}, {{"low", kUseVector, 1}, {"high", kUseVector, 1}}, {f32}, {}},
    {Op::RowStatistic, "rowStatistic", kLocal, {{"x"}}, {}, {f32}, {{"statistic", kRequired}, {"eps"}, {"scale"}}},
    {Op::ReplaceRows, "replaceRows", kLocal, {{"x"}, {"rows", f32, false, kWhole}, {"index", i32}}, {}, {f32}, {}},
    {Op::AddRows, "addRows", kLocal, {{"x"}, {"rows", f32, false, kWhole}, {"index", i32}}, {}, {f32}, {}},
    {Op::ChooseRows,
     "chooseRows",
     kLocal,
     {{"a"}, {"b"}, {"ids", i32}},
     {},
     {f32},
     {{"start", kRequired}, {"count", kRequired}}},
    {Op::GatherRows, "gatherRows", kLocal, {{"x", f32, false, kWhole}, {"index", i32}}, {}, {f32}, {}},
    {Op::DepthwiseRows,
     "depthwiseRows",
     kLocal,
     {{"x", f32, false, kWhole}, {"index", i32}},
     {{"W", kUseVector, 2}},
     {f32},
     {}},
    {Op::WeightedRows,
     "weightedRows",
     kNotLocal,
     {{"x", f32, kOptional, kWhole}, {"index", i32}, {"weight"}},
     {{"x", kUseTable, 2, kOptional}},
     {f32},
     {}},
    {Op::Regroup, "regroup", kNotLocal, {{"x", f32, false, kWhole}}, {}, {f32}, {{"factor"}, {"split"}}},
    {Op::Slice, "slice", kLocal, {{"x"}}, {}, {f32}, {{"groups"}, {"start", kRequired}, {"count", kRequired}}},
    {Op::Concat, "concat", kLocal, {{"a"}, {"b"}}, {}, {f32}, {{"groups"}}},
    {Op::Repeat, "repeat", kLocal, {{"x"}}, {}, {f32}, {{"times", kRequired}}},
    {Op::TransposeInner, "transposeInner", kLocal, {{"x"}}, {}, {f32}, {{"m", kRequired}}},
    {Op::ShortConv,
     "shortConv",
     kNotLocal,
     {{"x"}},
     {{"W", kUseVector, 2}, {"b", kUseVector, 1, kOptional}},
     {f32},
     {{"layer", kRequired}, {"activation"}}},
    {Op::GatedDelta,
     "gatedDelta",
     kNotLocal,
     {{"q"}, {"k"}, {"v"}, {"a"}, {"b"}},
     {{"A_log"}, {"dt_bias"}},
     {f32},
     {{"layer", kRequired}, {"heads", kRequired}, {"kvHeads", kRequired}, {"kDim", kRequired}, {"vDim", kRequired}}},
    {Op::Route,
     "route",
     kLocal,
     {{"logits"}},
     {{"bias", kUseVector, 1, kOptional}},
     {f32, i32},
     {{"k", kRequired}, {"sigmoidScore"}, {"normalize"}, {"scale"}, {"groups"}, {"topkGroups"}}},
    {Op::ExpertLinear,
     "expertLinear",
     kLocal,
     {{"x"}, {"ids", i32}},
     {{"W", kUseExperts, 3}},
     {f32},
     {{"k", kRequired}, {"perExpert"}}},
    {Op::ExpertSum, "expertSum", kLocal, {{"x"}, {"weights"}}, {}, {f32}, {{"k"}}},
    {Op::Convolution,
     "convolution",
     kNotLocal,
     kImageOperands,
     {{"W", kUseKernel, 2}, {"b", kUseVector, 1, kOptional}},
     {f32},
     kWindowAttrs},
    {Op::DepthwiseConvolution,
     "depthwiseConvolution",
     kNotLocal,
     kImageOperands,
     {{"W", kUseVector, 2}, {"b", kUseVector, 1, kOptional}},
     {f32},
     kWindowAttrs},
    {Op::SeparableConvolution,
     "separableConvolution",
     kNotLocal,
     kImageOperands,
     {{"W", kUseKernel, 2}, {"b", kUseVector, 1, kOptional}, {"D", kUseVector, 2}, {"d", kUseVector, 1, kOptional}},
     {f32},
     with(kWindowAttrs, {{"innerActivation"}, {"innerScale"}, {"innerShift"}})},
    {Op::ImageMean, "imageMean", kNotLocal, kImageOperands, {}, {f32}, {}},
    {Op::ScaleImages,
     "scaleImages",
     kNotLocal,
     {{"x"}, {"sizes", i32, false, kWhole}, {"gain", f32, false, kWhole}},
     {},
     {f32},
     {}},
    {Op::Spread, "spread", kNotLocal, kImageOperands, {}, {f32}, {{"factor", kRequired}, {"whole"}}},
    {Op::BestClass, "bestClass", kLocal, {{"x"}}, {}, {f32}, {}},
};

}  // namespace

std::span<const OpSignature> op_signatures() { return kSignatures; }

const OpSignature& signature(Op op) { return kSignatures[static_cast<size_t>(op)]; }

const OpSignature* signature(std::string_view name) {
  const auto found =
      std::find_if(kSignatures.begin(), kSignatures.end(), [&](const OpSignature& s) { return s.name == name; });
  return found == kSignatures.end() ? nullptr : &*found;
}

}  // namespace afterimage
