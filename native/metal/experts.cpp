#include "metal/experts_params.h"
#include "metal/operators.h"

namespace afterimage::metal {

void encode_route(Encoder& encoder, const Dispatch& d) {
  const OpAttrs& a = *d.attrs;
  const auto experts = static_cast<uint32_t>(d.in[0].width);
  if (experts > 1024 || a.groups > 64)
    throw KernelUnavailable("route", "more than 1024 experts or 64 groups have no kernel");
  encoder.kernel(plain_kernel(d.op), 32).bind(0, d.in[0]).bind(2, d.out[0]).bind(3, d.out[1]);
  d.weights[0] ? encoder.bind(1, weight_of(d, 0)->vector()) : encoder.bind_unused(1);
  encoder.constants(4, RouteParams{experts, static_cast<uint32_t>(a.k), static_cast<uint32_t>(a.groups),
                                   static_cast<uint32_t>(a.topk_groups), a.sigmoid_score, a.normalize,
                                   d.weights[0] != nullptr, a.scale});
  encoder.dispatch(static_cast<uint32_t>(d.in[0].rows));
}

// Each set: for few pairs and for many.
std::vector<KernelSet> expert_kernels(const MetalWeight& w) {
  std::vector<KernelSet> sets;
  if (const auto format = tiled_format(w)) {
    const std::string name = "expert_matrix_" + *format;
    sets.push_back({{"experts_matrix", name + "_8"}, {"experts_matrix", name + "_32"}});
  }
  const std::string name = "expert_" + w.format();
  sets.push_back({{"experts", name}, {"experts", name + "_grouped"}});
  return sets;
}

void encode_expert_linear(Encoder& encoder, const Dispatch& d) {
  const MetalWeight& w = *weight_of(d, 0);
  const auto k = static_cast<uint32_t>(d.attrs->k), experts = static_cast<uint32_t>(w.experts());
  const uint32_t pairs = static_cast<uint32_t>(d.out[0].rows) * k;
  const ExpertParams params{
      k, d.attrs->per_expert, static_cast<uint32_t>(w.columns()), static_cast<uint32_t>(w.rows()), experts, pairs};
  // With as many pairs as experts most experts have one, whose weights are read once either way.
  const bool grouped = pairs > experts;
  const KernelSet kernels = encoder.choose(expert_kernels(w));
  const bool matrices = on_matrices(kernels);
  encoder.kernel(kernels[grouped], 128);
  encoder.bind(0, d.in[0]).bind(1, w.data()).bind(4, d.in[1]).bind(5, d.out[0]).constants(7, params);
  w.quantized() ? encoder.bind(2, w.scales()).bind(3, w.biases()) : encoder.bind_unused(2).bind_unused(3);
  matrices ? encoder.constants(6, tiled(w)) : encoder.constants(6, w.matrix());
  encoder.dispatch(tiles_of(w.rows(), matrices ? 32 : 16), grouped ? experts : pairs);
}

void encode_expert_sum(Encoder& encoder, const Dispatch& d) {
  const auto outs = static_cast<uint32_t>(d.out[0].width);
  encoder.kernel(plain_kernel(d.op), 256).bind(0, d.in[0]).bind(1, d.in[1]).bind(5, d.out[0]);
  encoder.constants(7, ExpertParams{static_cast<uint32_t>(d.in[1].width), 0, 0, outs, 0, 0});
  encoder.dispatch(tiles_of(outs, 256), static_cast<uint32_t>(d.out[0].rows));
}

}  // namespace afterimage::metal
