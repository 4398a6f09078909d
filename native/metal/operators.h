// The host part of every operator: chooses the kernel, binds operands, sizes the grid. Each is defined beside its
// kernels' .metal file. All throw KernelUnavailable before anything of theirs is dispatched.
#pragma once
#include <optional>
#include <string>

#include "metal/encoder.h"
#include "metal/linear_params.h"
#include "metal/rope_params.h"
#include "metal/work.h"

namespace afterimage::metal {

void encode_linear(Encoder& encoder, const Dispatch& dispatch);
void encode_norm(Encoder& encoder, const Dispatch& dispatch);
void encode_row_statistic(Encoder& encoder, const Dispatch& dispatch);
void encode_rope_table(Encoder& encoder, const Dispatch& dispatch);
void encode_rope(Encoder& encoder, const Dispatch& dispatch);
void encode_elementwise(Encoder& encoder, const Dispatch& dispatch);
void encode_layout(Encoder& encoder, const Dispatch& dispatch);
void encode_embedding(Encoder& encoder, const Dispatch& dispatch);
void encode_rows(Encoder& encoder, const Dispatch& dispatch);
void encode_attention(Encoder& encoder, const Dispatch& dispatch);
void encode_segment_attention(Encoder& encoder, const Dispatch& dispatch);
void encode_short_conv(Encoder& encoder, const Dispatch& dispatch);
void encode_gated_delta(Encoder& encoder, const Dispatch& dispatch);
void encode_route(Encoder& encoder, const Dispatch& dispatch);
void encode_expert_linear(Encoder& encoder, const Dispatch& dispatch);
void encode_expert_sum(Encoder& encoder, const Dispatch& dispatch);
// Convolution, DepthwiseConvolution, SeparableConvolution, ImageMean, ScaleImages, Spread
void encode_images(Encoder& encoder, const Dispatch& dispatch);
void encode_best_class(Encoder& encoder, const Dispatch& dispatch);

// What an operator reads and writes, weights aside.
void add_operands(const Dispatch& dispatch, std::vector<Range>& reads, std::vector<Range>& writes);

// Any of the above, by operator.
void encode(Encoder& encoder, const Dispatch& dispatch);

RopeParams rope_params(const Dispatch& dispatch);

// What linear_matrix is told of one float matrix without anything else.
LinearParams matrix_alone(const MetalWeight& weight, uint32_t rows);

// What kernels on simdgroup matrices are told of a matrix.
TiledMatrix tiled(const MetalWeight& weight);
// In the names of such kernels, how the matrix is stored; none where they do not read it.
std::optional<std::string> tiled_format(const MetalWeight& weight);

// Head dimension of the kernel of SegmentAttention that takes `dim`; 0 where there is none.
int32_t segment_dim(int32_t dim);

inline const MetalWeight* weight_of(const Dispatch& dispatch, int index) {
  return static_cast<const MetalWeight*>(dispatch.weights[index]);
}
// One dispatch for as many consecutive tiles as its limits allow (work.h), then for the next; tiles are independent.
// `work`: operations of each tile; `encode(first, count)` encodes the dispatch.
template <class Encode>
void for_parts(Encoder& encoder, const std::vector<double>& work, double rate, Encode encode) {
  for (size_t first = 0; first < work.size();) {
    double flop = work[first];
    size_t end = first + 1;
    for (; end < work.size() && flop + work[end] <= most_flop(rate); ++end) flop += work[end];
    encoder.make_room(Work{flop, rate, 0}.seconds());
    encode(static_cast<uint32_t>(first), static_cast<uint32_t>(end - first));
    first = end;
  }
}
inline uint32_t tiles_of(int64_t count, int64_t tile) { return static_cast<uint32_t>((count + tile - 1) / tile); }

}  // namespace afterimage::metal
