#include "cpu/cpu_backend.h"

#include <string>

#include "cpu/cpu_context.h"
#include "cpu/cpu_features.h"
#include "cpu/winograd.h"
#include "graph/error.h"
#include "platform/processors.h"

namespace afterimage {
namespace {

class CpuMemory final : public Memory {
 public:
  explicit CpuMemory(size_t size) : storage_(size), size_(size) {}
  void* host() noexcept override { return storage_.data(); }
  size_t bytes() const noexcept override { return size_; }

 private:
  AlignedBytes storage_;
  size_t size_;
};

bool in_pairs(const WeightSource& source, Precision precision, const KernelTable& kernels) {
  return precision != Precision::exact && kernels.pair_vectors > 0 && source.columns % 2 == 0 &&
         source.columns >= kernels.fewest_pair_columns;
}

// A table keeps what is looked up.
FloatForm float_form(const WeightSource& source, uint32_t uses, Precision precision, const KernelTable& kernels) {
  if (precision == Precision::exact) return FloatForm::as_stored;
  if (precision == Precision::faster && kernels.byte_tiles && (uses & kUseInEncoder) &&
      !(uses & (kUseTable | kUseExperts)) && source.columns <= kMostByteColumns)
    return FloatForm::bytes;
  return kernels.pair_tiles && !(uses & kUseTable) ? FloatForm::pairs : FloatForm::bf16;
}

bool by_winograd(const WeightSource& source, uint32_t uses) {
  return (uses & kUseKernel3x3) && winograd_pays(source.rows, source.columns / 9);
}

bool in_kernel(const WeightSource& source, uint32_t uses) {
  return (uses & kUseKernel) || ((uses & kUseKernel3x3) && !by_winograd(source, uses));
}

class CpuBackend final : public Backend {
 public:
  CpuBackend(const KernelTable& kernels, int threads)
      : pool_(threads), context_{kernels, pool_, {}, {}, std::vector<Scratch>(static_cast<size_t>(threads))} {}

  std::string identity() const override {
    const int threads = pool_.threads();
    return std::string("cpu ") + context_.kernels.name + ", " + std::to_string(threads) +
           (threads == 1 ? " thread" : " threads");
  }

  std::unique_ptr<Memory> allocate(size_t bytes) override { return std::make_unique<CpuMemory>(bytes); }

  std::unique_ptr<Weight> prepare(const WeightSource& source, uint32_t uses, Precision precision) override {
    auto weight = std::make_unique<CpuWeight>();
    weight->source = source;
    weight->precision = precision;
    if (uses & kUseVector) {
      weight->vector.resize(static_cast<size_t>(source.rows * source.columns));
      for (int64_t row = 0; row < source.rows; ++row)
        dequantize_row(source, 0, row, weight->vector.data() + row * source.columns);
    }
    const KernelTable& k = context_.kernels;
    if (uses & (kUseMatrix | kUseExperts))
      weight->matrix = pack_matrix(source, float_form(source, uses, precision, k), k, pool_, pages_);
    if (by_winograd(source, uses)) weight->winograd = pack_winograd(source, k.lanes, k.kernel_vectors);
    if (in_kernel(source, uses)) {
      weight->kernel = in_pairs(source, precision, k) ? pack_kernel_pairs(source, k.lanes, k.pair_vectors)
                                                      : pack_kernel(source, k.lanes, k.kernel_vectors);
    }
    return weight;
  }

  void run(std::span<const Dispatch> dispatches, const std::atomic<bool>& cancel) override {
    while (!dispatches.empty()) {
      if (cancel.load(std::memory_order_relaxed)) throw Error("CANCELLED", "The run was cancelled.");
      const size_t together = linears_together(context_, dispatches);
      if (together > 1)
        run_linears(context_, dispatches.first(together));
      else
        run_one(dispatches[0]);
      dispatches = dispatches.subspan(together);
    }
  }

 private:
  void run_one(const Dispatch& d) {
    CpuContext& c = context_;
    switch (d.op) {
      case Op::Linear:
        return run_linears(c, {&d, 1});
      case Op::Embedding:
        return run_embedding(c, d);
      case Op::RmsNorm:
      case Op::LayerNorm:
        return run_norm(c, d);
      case Op::RopeTable:
        return run_rope_table(c, d);
      case Op::Rope:
        return run_rope(c, d);
      case Op::Attention:
        return run_attention(c, d);
      case Op::SegmentAttention:
        return run_segment_attention(c, d);
      case Op::Add:
      case Op::Mul:
      case Op::Activation:
      case Op::GatedActivation:
      case Op::Softcap:
      case Op::Clamp:
        return run_elementwise(c, d);
      case Op::RowStatistic:
        return run_row_statistic(c, d);
      case Op::ReplaceRows:
      case Op::AddRows:
        return run_row_selection(c, d);
      case Op::ChooseRows:
        return run_choose_rows(c, d);
      case Op::GatherRows:
        return run_gather_rows(c, d);
      case Op::DepthwiseRows:
        return run_depthwise_rows(c, d);
      case Op::WeightedRows:
        return run_weighted_rows(c, d);
      case Op::Regroup:
      case Op::Slice:
      case Op::Concat:
      case Op::Repeat:
      case Op::TransposeInner:
        return run_layout(c, d);
      case Op::ShortConv:
        return run_short_conv(c, d);
      case Op::GatedDelta:
        return run_gated_delta(c, d);
      case Op::Route:
        return run_route(c, d);
      case Op::ExpertLinear:
        return run_expert_linear(c, d);
      case Op::ExpertSum:
        return run_expert_sum(c, d);
      case Op::Convolution:
      case Op::SeparableConvolution:
        return run_convolution(c, d);
      case Op::DepthwiseConvolution:
        return run_depthwise_convolution(c, d);
      case Op::ImageMean:
        return run_image_mean(c, d);
      case Op::ScaleImages:
        return run_scale_images(c, d);
      case Op::Spread:
        return run_spread(c, d);
      case Op::BestClass:
        return run_best_class(c, d);
    }
    throw Error("BACKEND_FAILED", "The cpu backend has no kernel for this operator; rebuild the addon.");
  }

  ThreadPool pool_;
  PagePool pages_;  // of weights
  CpuContext context_;
};

}  // namespace

size_t cpu_weight_bytes(const WeightSource& described, uint32_t uses, Precision precision) {
  const KernelTable& k = cpu_kernels(best_cpu_isa());
  size_t bytes = 0;
  if (uses & kUseVector) bytes += static_cast<size_t>(described.rows * described.columns) * sizeof(float);
  if (uses & (kUseMatrix | kUseExperts)) bytes += packed_bytes(described, float_form(described, uses, precision, k));
  if (by_winograd(described, uses))
    bytes += kWinogradInputs * kernel_bytes(described.rows, described.columns / 9, k.lanes, false);
  if (in_kernel(described, uses))
    bytes += kernel_bytes(described.rows, described.columns, k.lanes, in_pairs(described, precision, k));
  return bytes;
}

std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options) {
  const CpuIsa isa = options.isa < 0 ? best_cpu_isa() : static_cast<CpuIsa>(options.isa);
  if (!cpu_supports(isa))
    throw Error("INVALID_ARGUMENT", "This processor cannot run the requested instruction set; leave `isa` at -1.");
  return std::make_unique<CpuBackend>(cpu_kernels(isa), options.threads > 0 ? options.threads : physical_cores());
}

}  // namespace afterimage
