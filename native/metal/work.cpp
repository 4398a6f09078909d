#include "metal/work.h"

#include "metal/weight.h"

namespace afterimage::metal {
namespace {

double operand_bytes(const Dispatch& d) {
  size_t bytes = 0;
  for (const Tensor& tensor : d.in) bytes += tensor ? tensor.bytes() : 0;
  for (const Tensor& tensor : d.out) bytes += tensor ? tensor.bytes() : 0;
  return static_cast<double>(bytes);
}

Work linear_work(const Dispatch& d, bool matrices) {
  const auto& w = *static_cast<const MetalWeight*>(d.weights[0]);
  Work work;
  work.flop =
      2.0 * static_cast<double>(d.out[0].rows) * static_cast<double>(w.rows()) * static_cast<double>(w.columns());
  work.rate = matrices ? kMatrixRate : kDotRate;
  work.bytes = operand_bytes(d) + static_cast<double>(w.bytes());
  return work;
}

Work expert_work(const Dispatch& d, bool matrices) {
  const auto& w = *static_cast<const MetalWeight*>(d.weights[0]);
  const double pairs = static_cast<double>(d.out[0].rows * d.attrs->k), experts = static_cast<double>(w.experts());
  Work work;
  work.flop = 2 * pairs * static_cast<double>(w.rows()) * static_cast<double>(w.columns());
  work.rate = matrices ? kMatrixRate : kDotRate;
  work.bytes = operand_bytes(d) + static_cast<double>(w.bytes()) * std::min(1.0, pairs / experts);
  return work;
}

}  // namespace

Work work_of(const Dispatch& d, bool matrices) {
  switch (d.op) {
    case Op::Linear:
      return linear_work(d, matrices);
    case Op::ExpertLinear:
      return expert_work(d, matrices);
    case Op::GatedDelta: {
      // Per row, value head and column of the state: three passes over k_dim.
      const double columns = static_cast<double>(d.out[0].rows * d.out[0].width);
      return {8 * columns * d.attrs->k_dim, kDotRate, operand_bytes(d)};
    }
    default:
      return {0, kDotRate, operand_bytes(d)};
  }
}

int64_t units_at_once(int64_t count, double flop, double rate, int64_t tile) {
  const double most = most_flop(rate);
  if (flop <= most || count <= 1) return std::max<int64_t>(count, 1);
  const auto fit = static_cast<int64_t>(most / (flop / static_cast<double>(count)));
  return fit > tile ? fit / tile * tile : std::max<int64_t>(fit, 1);
}

}  // namespace afterimage::metal
