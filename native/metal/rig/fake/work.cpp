#include "fake/work.h"

#include <algorithm>
#include <cstring>

#include "metal/attention_params.h"
#include "metal/delta_params.h"
#include "metal/experts_params.h"
#include "metal/images_params.h"
#include "metal/linear_params.h"
#include "metal/quantized_matrix_params.h"
#include "metal/segment_attention_params.h"
#include "metal/sequence_state_params.h"

using namespace afterimage::metal;

namespace rig::fake {
namespace {

constexpr double kMatrices = 0.8e12, kDots = 0.2e12, kScalarAttention = 0.13e12, kMatrixAttention = 0.5e12,
                 kPlain = 0.1e12;

using Buffers = const std::byte* const*;

template <class T>
const T& at(Buffers buffers, int index, size_t number = 0) {
  return reinterpret_cast<const T*>(buffers[index])[number];
}

Cost cost(double operations, double rate) { return {operations, operations / rate}; }

bool begins(const std::string& text, const char* with) { return text.compare(0, std::strlen(with), with) == 0; }

Cost linear(const std::string& kernel, Buffers buffers) {
  if (begins(kernel, "linear_dot_")) {
    const auto& m = at<QuantizedMatrix>(buffers, 7);
    return cost(2.0 * at<LinearDotParams>(buffers, 8).rows * m.columns * m.rows, kDots);
  }
  const auto& p = at<LinearParams>(buffers, 19);
  double outs = 0;
  for (const LinearPart& part : p.parts) outs += part.matrix.stored.rows;
  return cost(2.0 * p.rows * p.columns * outs, kMatrices);
}

// Every tile of 32 rows meets all rows of its segment, in blocks of 8 columns.
Cost segment_attention(const std::array<uint32_t, 3>& groups, Buffers buffers) {
  const auto& p = at<SegmentAttentionParams>(buffers, 5);
  const uint32_t columns = (p.k_dim + 7) / 8 * 8 + (p.v_dim + 7) / 8 * 8;
  double operations = 0;
  uint32_t tile = 0;
  for (uint32_t s = 0; s < p.segments; ++s) {
    const double rows = at<int32_t>(buffers, 3, s + 1) - at<int32_t>(buffers, 3, s);
    for (double row = 0; row < rows; row += 32, ++tile)
      if (tile >= p.first_tile && tile < p.first_tile + groups[0]) operations += 2 * 32 * rows * columns * groups[1];
  }
  return cost(operations, kMatrices);
}

Cost attention(const std::string& kernel, const std::array<uint32_t, 3>& groups, Buffers buffers) {
  const bool splits = begins(kernel, "attention_split_"), matrices = splits || begins(kernel, "attention_matrix_");
  const uint32_t tiles = splits ? groups[2] : groups[0];
  const auto& p = at<AttentionParams>(buffers, 5);
  const uint32_t group = p.heads / p.kv_heads;
  double operations = 0;
  for (uint32_t t = 0; t < tiles; ++t) {
    const auto& tile = at<QueryTile>(buffers, 2, t);
    for (uint32_t u = tile.first; u < tile.first + tile.count; ++u) {
      const auto& place = at<RowPlace>(buffers, 1, tile.first_row + u / group);
      const int32_t end = p.causal ? place.position + 1 : place.visible_end;
      const int32_t begin = std::max(std::min(place.position, static_cast<int32_t>(p.start)),
                                     p.window ? place.position - static_cast<int32_t>(p.window) : 0);
      operations += 2.0 * (end - begin) * (p.k_dim + p.v_dim) * groups[1];
    }
  }
  return cost(operations, matrices ? kMatrixAttention : kScalarAttention);
}

Cost images(const std::string& kernel, const std::array<uint32_t, 3>& groups, Buffers buffers) {
  const auto& p = at<ImageParams>(buffers, 7);
  const double taps = double{1} * p.kernel_y * p.kernel_x;
  if (kernel == "convolution") return cost(2 * taps * p.channels * p.outs * groups[1], kPlain);
  if (kernel == "depthwise_convolution") return cost(2 * taps * p.channels * groups[1], kPlain);
  return cost(2 * (taps + p.outs) * p.channels * 4 * groups[0], kPlain);
}

Cost delta(const std::array<uint32_t, 3>& groups, Buffers buffers) {
  const auto& p = at<DeltaParams>(buffers, 9);
  double rows = 0;
  for (uint32_t s = 0; s < groups[2]; ++s) rows += at<SequenceState>(buffers, 7, s).rows;
  return cost(8 * rows * p.k_dim * groups[0] * groups[1], kDots);
}

}  // namespace

Cost cost_of(const std::string& kernel, const std::array<uint32_t, 3>& groups, Buffers buffers) {
  if (begins(kernel, "linear_")) return linear(kernel, buffers);
  if (begins(kernel, "segment_attention_")) return segment_attention(groups, buffers);
  if (kernel == "attention_merge") return {};
  if (begins(kernel, "attention_")) return attention(kernel, groups, buffers);
  if (kernel == "gated_delta") return delta(groups, buffers);
  if (kernel.find("convolution") != std::string::npos) return images(kernel, groups, buffers);
  if (begins(kernel, "expert_") && kernel != "expert_sum") {
    const bool matrices = begins(kernel, "expert_matrix_");
    const auto& p = at<ExpertParams>(buffers, 7);
    return cost(2.0 * p.pairs * p.columns * p.outs, matrices ? kMatrices : kDots);
  }
  return {};
}

}  // namespace rig::fake
