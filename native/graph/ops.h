// Every operator: formula, shapes, attributes. The set is closed; a new one needs a formula here, a
// CPU kernel, a Metal kernel and their tests.
//
// R is the number of rows of the run. x[R, n·d] is read as n groups (heads) of d columns. Every
// operator but SegmentAttention, Attention, ShortConv, GatedDelta, WeightedRows, Regroup and those on
// images is row-local: row r of the output reads row r of the inputs, and of an input that is addressed by
// index any rows. A row's result never depends on which other rows share the run: each kernel has
// one reduction order per row.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "graph/op_kinds.h"

namespace afterimage {

enum class Op : uint8_t {
  // y[R,out] = x[R,in] · Wᵀ (+ b), then `activation`, then + residual[R,out] where given.
  // in: x, residual?   weights: W[out,in], b[out]?   attrs: activation
  Linear,
  // y[R,w] = table[ids[r] − start] · scale; an id outside the table reads row 0.
  // in: ids i32 [R,1]   weights: table[V,w]   attrs: scale, start
  Embedding,
  // y = x · rsqrt(mean(x²) + eps) · (weight + weight_offset), per group of d = width / groups.
  // in: x   weights: weight[d]?   attrs: eps, groups, weight_offset.   Zhang & Sennrich 2019.
  RmsNorm,
  // y = (x − mean) · rsqrt(var + eps) · weight + bias, per group; var is biased (1/d).
  // in: x   weights: weight[d]?, bias[d]?   attrs: eps, groups.   Ba et al. 2016.
  LayerNorm,
  // y[R,2n] = [cos a · scale | sin a · scale], a_i = positions[r, axis_i] · inv_freq_i, i < n.
  // in: positions i32 [R,A]   attrs: inv_freq[n], axis[n], scale.   Su et al. 2021; M-RoPE when A = 3.
  RopeTable,
  // Rotates the first 2n columns after `start` of each group by the table; the others pass through.
  // half: pairs (i, i+n); interleaved: pairs (2i, 2i+1). (a,b) → (a·cos − b·sin, b·cos + a·sin).
  // in: x[R,groups·d], table[R,2n]   attrs: groups, start, interleaved
  Rope,
  // Writes k, v of every row to layer `layer` of the KV cache, then for a row at cache position p
  //   o_h = Σ_j softmax_j(cap(scale · q_h·k_{h'(j)})) v_j,  b ≤ j < visible_end[r]
  // over 64-position blocks walked from position 0 (online softmax, one tile = one block), b = max(min(p, start),
  // p−window+1): what is before `start` sees itself alone, and nobody else sees it.
  // h' = h · kv_heads / heads; cap(s) = softcap · tanh(s / softcap) where softcap > 0; window 0 = none.
  // Without k and v the cache of `layer` is only read; where `causal`, p + 1 stands for visible_end[r].
  // in: q[R,heads·k_dim], k[R,kv_heads·k_dim]?, v[R,kv_heads·v_dim]?   out: [R,heads·v_dim]
  // attrs: layer, heads, kv_heads, k_dim, v_dim, scale, window, start, softcap, causal
  Attention,
  // Full softmax attention inside each segment of rows [segments_s, segments_{s+1}); where `visible` is given, row r
  // sees those before row visible[r] alone, segments_s < visible[r] ≤ segments_{s+1}.
  // in: q[R,heads·k_dim], k[R,kv_heads·k_dim], v[R,kv_heads·v_dim], segments i32 [S+1,1], visible i32 [R,1]?
  // attrs: heads, kv_heads, k_dim, v_dim, scale
  SegmentAttention,
  // y = a + b, b[R,w], or b[R,1] broadcast over columns, or weight[w] broadcast over rows.
  // in: a, b?   weights: b?
  Add,
  // y = a · b, with b as in Add.
  Mul,
  // y = f(x).   attrs: activation, scale (y = f(x) · scale)
  Activation,
  // y = f(gate) · up.   in: gate, up   attrs: activation
  GatedActivation,
  // y = softcap · tanh(x / softcap).   attrs: softcap
  Softcap,
  // y = min(max(x, low), high).   in: x   weights: low[1], high[1]
  Clamp,
  // y[R,1] = scale · one number that describes the row's w columns:
  //   mean         m = Σx / w
  //   deviation    √(Σ(x − m)² / w)
  //   rms          √max(Σx² / w, eps)
  //   inverse_rms  1 / √max(Σx² / w, eps)
  // in: x   attrs: statistic, eps, scale
  RowStatistic,
  // y[r] = index[r] ≥ 0 ? rows[index[r]] : x[r].   in: x[R,w], rows[F,w], index i32 [R,1]
  ReplaceRows,
  // y[r] = x[r] + (index[r] ≥ 0 ? rows[index[r]] : 0).   in: as ReplaceRows
  AddRows,
  // y[r] = start ≤ ids[r] < start + count ? b[r] : a[r].   in: a[R,w], b[R,w], ids i32 [R,1]   attrs: start, count
  ChooseRows,
  // y[r] = [x[index[r,0]] | … | x[index[r,K−1]]]; index −1 gives zeros. With K taps of an image's rows as columns,
  // a Linear makes it a convolution.   in: x[N,w], index i32 [R,K]   out: [R,K·w]
  GatherRows,
  // y[r,c] = Σ_t W[t,c] · x[index[r,t],c], t ascending; index −1 adds nothing. Depthwise convolution, whose geometry
  // lies in the index.   in: x[N,C], index i32 [R,K]   weights: W[K,C]
  DepthwiseRows,
  // y[r] = Σ_t weight[r,t] · x[index[r,t]], t ascending.   in: x[N,w], index i32 [R,T], weight[R,T]
  // x may be a weight (position tables): in: -, index, weight   weights: x[N,w]
  WeightedRows,
  // [R,w] → [R·split/factor, w·factor/split]: the same bytes.   attrs: factor, split
  Regroup,
  // Columns [start, start+count) of each group.   attrs: groups, start, count   out: [R,groups·count]
  Slice,
  // Column concatenation inside each group.   in: a[R,g·da], b[R,g·db]   attrs: groups
  Concat,
  // The row repeated `times`: [R,w] → [R,times·w].   attrs: times
  Repeat,
  // Each row read as [m,n] is transposed to [n,m].   attrs: m
  TransposeInner,
  // Causal depthwise convolution with per-sequence state of the last K−1 inputs:
  // y[t,c] = f(Σ_k W[c,k] · x[t−K+1+k,c] + b[c]).   in: x[R,C]   weights: W[C,K], b[C]?
  // attrs: layer, activation
  ShortConv,
  // Gated delta rule, per value head with state S[dk,dv] f32, key head = value head · Hk / Hv:
  //   q ← q·rsqrt(Σq²+1e-6)·dk^−½, k ← k·rsqrt(Σk²+1e-6), β = σ(b), g = −exp(A_log)·softplus(a+dt_bias)
  //   S ← S·exp(g);  S ← S + k ⊗ β(v − kᵀS);  o = qᵀS.   Yang et al. 2024.
  // in: q[R,Hk·dk], k[R,Hk·dk], v[R,Hv·dv], a[R,Hv], b[R,Hv]   weights: A_log[Hv], dt_bias[Hv]
  // attrs: layer, heads (Hv), kv_heads (Hk), k_dim, v_dim   out: [R,Hv·dv]
  GatedDelta,
  // s = softmax|sigmoid(logits); chosen = top k of s + bias (ties: lower index); weight = s of chosen,
  // normalised to sum 1 where `normalize`, then · scale. With groups > 1 only the `topk_groups` groups with the
  // largest sum of their two best are eligible.   in: logits[R,E]   weights: bias[E]?
  // attrs: k, sigmoid_score, normalize, scale, groups, topk_groups
  // out: weights[R,k], ids i32 [R,k]
  Route,
  // y[r,i] = W[ids[r,i]] · x[r] (or x[r,i] where per_expert).   in: x, ids   weights: W[E,out,in]
  // attrs: k, per_expert   out: [R,k·out]
  ExpertLinear,
  // y[r] = Σ_i weights[r,i] · x[r,i], i ascending.   in: x[R,k·w], weights[R,k]   out: [R,w]
  ExpertSum,

  // Images. x[R,C] holds the pixels of I images one after the other, each in raster order; sizes i32 [I,2] lists height
  // and width of each. Output pixel (oy, ox) sees the window of kernelY × kernelX pixels that begins at
  // (oy·strideY − padY, ox·strideX − padX); outside the image it is zero. 0 < kernel − 2·pad ≤ stride, and the strides
  // divide every height and width, so that an image of h × w becomes one of h/strideY × w/strideX.

  // y = f(Σ_t Σ_c W[o, t·C + c] · x_t[c] + b) · scale + shift, t over the window in raster order.
  // in: x[R,C], sizes   weights: W[out, kernelY·kernelX·C], b[out]?   out: [R/(strideY·strideX), out]
  // attrs: kernelY, kernelX, strideY, strideX, padY, padX, activation, scale, shift
  Convolution,
  // y[c] = f(Σ_t W[t,c] · x_t[c] + b[c]) · scale + shift.   weights: W[kernelY·kernelX, C], b[C]?   attrs: as
  // Convolution
  DepthwiseConvolution,
  // A DepthwiseConvolution with its own bias, activation, scale and shift, then a Convolution of 1 × 1 on its result,
  // which is not kept: Howard et al. 2017.   weights: W[out,C], b[out]?, D[kernelY·kernelX, C], d[C]?
  // attrs: as Convolution, where the window is that of D; innerActivation, innerScale, innerShift
  SeparableConvolution,
  // y[i] = mean over the pixels of image i.   in: x, sizes   out: [I,C]
  ImageMean,
  // y[r] = x[r] · gain[image of r].   in: x, sizes, gain[I,C]
  ScaleImages,
  // An image `factor` times as high and wide: pixel (factor·y + i, factor·x + j) takes columns
  // [(i·factor + j)·w, (i·factor + j + 1)·w) of pixel (y, x), w = C / factor²; or all of them where `whole` (w = C,
  // nearest neighbour).   in: x, sizes   attrs: factor, whole   out: [R·factor², w]
  Spread,
  // y[r] = [index of the greatest of the row's columns, the lowest where several are; its softmax probability].
  // in: x   out: [R,2]
  BestClass,
};

// Attributes as one plain struct; each operator reads the fields its formula names.
struct OpAttrs {
  Activation activation = Activation::none, inner_activation = Activation::none;
  Statistic statistic = Statistic::mean;
  float eps = 0, scale = 1, weight_offset = 0, softcap = 0;
  float shift = 0, inner_scale = 1, inner_shift = 0;
  int32_t layer = 0, heads = 1, kv_heads = 1, k_dim = 0, v_dim = 0, window = 0;
  int32_t groups = 1, start = 0, count = 0, factor = 1, split = 1, times = 1, m = 1, k = 0, topk_groups = 1;
  int32_t kernel_y = 1, kernel_x = 1, stride_y = 1, stride_x = 1, pad_y = 0, pad_x = 0;
  bool interleaved = false, normalize = false, sigmoid_score = false, per_expert = false, whole = false;
  bool causal = false;
  std::vector<float> inv_freq;
  std::vector<int32_t> axis;
};

// First cache position that a row at cache position `position` of an Attention sees.
inline int64_t first_seen(const OpAttrs& a, int64_t position) {
  const int64_t first = position < a.start ? position : a.start;
  const int64_t begin = a.window > 0 ? position - a.window + 1 : 0;
  return begin > first ? begin : first;
}

// Windows of 3 × 3, padded by 1, with steps of 1.
inline bool by_3x3(const OpAttrs& a) {
  const auto both = [](int64_t wanted, int64_t y, int64_t x) { return y == wanted && x == wanted; };
  return both(3, a.kernel_y, a.kernel_x) && both(1, a.stride_y, a.stride_x) && both(1, a.pad_y, a.pad_x);
}

}  // namespace afterimage
