#include <algorithm>

#include "metal/operators.h"
#include "metal/segment_attention_params.h"

namespace afterimage::metal {
namespace {

constexpr int32_t kDims[] = {32, 64, 72, 80, 128, 256};
constexpr int64_t kQueries = 32;  // rows of a tile

// Operations of one tile of all heads, tile by tile, in blocks of 8 columns. The segments are an input of the program:
// the host knows them.
std::vector<double> tile_work(const Dispatch& d) {
  const int32_t columns = (d.attrs->k_dim + 7) / 8 * 8 + (d.attrs->v_dim + 7) / 8 * 8;
  const auto* segments = d.in[3].at<int32_t>();
  std::vector<double> work;
  for (int64_t s = 0; s + 1 < d.in[3].rows; ++s) {
    const int64_t rows = segments[s + 1] - segments[s], tiles = (rows + kQueries - 1) / kQueries;
    const double keys = static_cast<double>(tiles * kQueries);
    work.insert(work.end(), static_cast<size_t>(tiles), 2.0 * kQueries * keys * columns * d.attrs->heads);
  }
  return work;
}

}  // namespace

int32_t segment_dim(int32_t dim) {
  const auto* padded = std::find_if(std::begin(kDims), std::end(kDims), [&](int32_t n) { return n >= dim; });
  return padded == std::end(kDims) ? 0 : *padded;
}

void encode_segment_attention(Encoder& encoder, const Dispatch& d) {
  const OpAttrs& a = *d.attrs;
  const int32_t padded = segment_dim(std::max(a.k_dim, a.v_dim));
  if (padded == 0) throw KernelUnavailable("segment_attention", "head dimensions above 256 have no kernel");
  const auto segments = static_cast<uint32_t>(d.in[3].rows - 1);
  for_parts(encoder, tile_work(d), kMatrixRate, [&](uint32_t first, uint32_t count) {
    encoder.kernel("segment_attention", "segment_attention_" + std::to_string(padded), 128);
    encoder.bind(0, d.in[0]).bind(1, d.in[1]).bind(2, d.in[2]).bind(3, d.in[3]).bind(4, d.out[0]);
    d.in[4] ? encoder.bind(6, d.in[4]) : encoder.bind_unused(6);
    encoder.constants(5, SegmentAttentionParams{segments, static_cast<uint32_t>(a.heads),
                                                static_cast<uint32_t>(a.kv_heads), static_cast<uint32_t>(a.k_dim),
                                                static_cast<uint32_t>(a.v_dim), a.scale, first, d.in[4] ? 1U : 0U});
    encoder.dispatch(count, static_cast<uint32_t>(a.heads));
  });
}

}  // namespace afterimage::metal
