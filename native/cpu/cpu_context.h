// What operators of the CPU backend share: kernels, threads, scratch, and weights in their packed form.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "cpu/aligned_bytes.h"
#include "cpu/kernels.h"
#include "cpu/packed_kernel.h"
#include "cpu/packed_matrix.h"
#include "cpu/thread_pool.h"
#include "graph/backend.h"

namespace afterimage {

// A weight in the forms its uses ask for. A matrix that is also a table serves look-ups from its panels.
struct CpuWeight final : Weight {
  WeightSource source;
  Precision precision = Precision::exact;
  PackedMatrix matrix;        // kUseMatrix, kUseExperts
  PackedKernel kernel;        // kUseKernel
  PackedKernel winograd;      // kUseKernel3x3 where that pays; elsewhere `kernel`
  std::vector<float> vector;  // kUseVector: rows × columns
  size_t bytes() const noexcept override {
    return matrix.bytes.size() + matrix.scales.size() * 4 + kernel.bytes.size() + winograd.bytes.size() +
           vector.size() * 4;
  }
  bool reads_checkpoint() const noexcept override { return bytes() == 0; }
};

struct CpuContext {
  const KernelTable& kernels;
  ThreadPool& pool;
  Scratch rows;                         // rows in the form Linear reads
  Scratch tiles;                        // packed keys and values
  std::vector<Scratch> thread_scratch;  // by thread

  // body(first, last) over [0, rows) in pieces of at least `work` elements, so that small operators stay on one thread.
  template <class Body>
  void for_rows(int64_t rows, int64_t width, Body&& body) {
    constexpr int64_t kPieceElements = 16384;
    const int64_t piece = width >= kPieceElements ? 1 : (kPieceElements + width - 1) / (width > 0 ? width : 1);
    pool.for_each((rows + piece - 1) / piece, [&](int64_t task, int) {
      const int64_t first = task * piece;
      body(first, first + piece < rows ? first + piece : rows);
    });
  }
};

inline const CpuWeight* cpu_weight(const Weight* weight) { return static_cast<const CpuWeight*>(weight); }
inline const float* vector_of(const Weight* weight) { return weight ? cpu_weight(weight)->vector.data() : nullptr; }

// How many of the dispatches, the first of which is a Linear, run_linears() takes in one loop.
constexpr size_t kMostLinearsTogether = 4;
size_t linears_together(const CpuContext& c, std::span<const Dispatch> dispatches);
void run_linears(CpuContext& c, std::span<const Dispatch> dispatches);
void run_expert_linear(CpuContext& c, const Dispatch& d);
void run_embedding(CpuContext& c, const Dispatch& d);
void run_weighted_rows(CpuContext& c, const Dispatch& d);
void run_attention(CpuContext& c, const Dispatch& d);
void run_segment_attention(CpuContext& c, const Dispatch& d);
void run_norm(CpuContext& c, const Dispatch& d);  // RmsNorm, LayerNorm
void run_rope_table(CpuContext& c, const Dispatch& d);
void run_rope(CpuContext& c, const Dispatch& d);
void run_row_statistic(CpuContext& c, const Dispatch& d);
void run_elementwise(CpuContext& c, const Dispatch& d);    // Add, Mul, Activation, GatedActivation, Softcap
void run_row_selection(CpuContext& c, const Dispatch& d);  // ReplaceRows, AddRows
void run_choose_rows(CpuContext& c, const Dispatch& d);
void run_gather_rows(CpuContext& c, const Dispatch& d);
void run_depthwise_rows(CpuContext& c, const Dispatch& d);
void run_layout(CpuContext& c, const Dispatch& d);  // Regroup, Slice, Concat, Repeat, TransposeInner
void run_short_conv(CpuContext& c, const Dispatch& d);
void run_gated_delta(CpuContext& c, const Dispatch& d);
void run_route(CpuContext& c, const Dispatch& d);
void run_expert_sum(CpuContext& c, const Dispatch& d);
void run_convolution(CpuContext& c, const Dispatch& d);  // Convolution, SeparableConvolution
void run_depthwise_convolution(CpuContext& c, const Dispatch& d);
void run_image_mean(CpuContext& c, const Dispatch& d);
void run_scale_images(CpuContext& c, const Dispatch& d);
void run_spread(CpuContext& c, const Dispatch& d);
void run_best_class(CpuContext& c, const Dispatch& d);

}  // namespace afterimage
