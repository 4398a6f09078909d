// A backend of plain loops for the tests of planning: it refuses an output that overlaps an input, counts what it is
// given, and hands out memory filled with NaN. Attention here only copies v.
#pragma once
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <set>
#include <vector>

#include "graph/backend.h"
#include "graph/error.h"

namespace afterimage::test {

class NaiveMemory : public Memory {
 public:
  explicit NaiveMemory(size_t bytes) : bytes_(bytes, std::byte{0xff}) {}
  void* host() noexcept override { return bytes_.data(); }
  size_t bytes() const noexcept override { return bytes_.size(); }

 private:
  std::vector<std::byte> bytes_;
};

struct NaiveWeight : Weight {
  int64_t rows = 0, columns = 0;
  std::vector<float> data;
  size_t bytes() const noexcept override { return data.size() * 4; }
};

inline float naive_activation(Activation kind, float x) {
  switch (kind) {
    case Activation::none:
      return x;
    case Activation::gelu:
      return 0.5f * x * (1 + std::erf(x * 0.70710678f));
    case Activation::gelu_tanh:
      return 0.5f * x * (1 + std::tanh(0.7978845608f * (x + 0.044715f * x * x * x)));
    case Activation::quick_gelu:
      return x / (1 + std::exp(-1.702f * x));
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::relu:
      return x > 0 ? x : 0;
    case Activation::tanh:
      return std::tanh(x);
    case Activation::hard_swish:
      return x * std::min(std::max(x + 3, 0.0f), 6.0f) / 6;
    case Activation::hard_sigmoid:
      return std::min(std::max(x + 3, 0.0f), 6.0f) / 6;
  }
  return x;
}

class NaiveBackend : public Backend {
 public:
  std::string identity() const override { return "naive"; }
  std::unique_ptr<Memory> allocate(size_t bytes) override {
    if (bytes > limit) throw Error("OUT_OF_MEMORY", "The test's limit is reached.");
    ++allocations;
    return std::make_unique<NaiveMemory>(bytes);
  }
  std::unique_ptr<Weight> prepare(const WeightSource& source, uint32_t uses, Precision) override {
    seen_uses.insert(uses);
    auto weight = std::make_unique<NaiveWeight>();
    weight->rows = source.rows, weight->columns = source.columns;
    weight->data.resize(static_cast<size_t>(source.experts * source.rows * source.columns));
    for (int64_t r = 0; r < source.experts * source.rows; ++r) {
      dequantize_row(source, r / source.rows, r % source.rows, weight->data.data() + r * source.columns);
    }
    return weight;
  }
  void run(std::span<const Dispatch> batch, const std::atomic<bool>& cancel) override {
    ++runs;
    for (const Dispatch& dispatch : batch) {
      if (cancel || dispatches == cancel_at) throw Error("CANCELLED", "The run was cancelled.");
      refuse_overlap(dispatch);
      ++dispatches;
      kinds.push_back(dispatch.op);
      largest_rows = std::max(largest_rows, dispatch.out[0].rows);
      step(dispatch);
    }
  }

  size_t limit = std::numeric_limits<size_t>::max();
  int64_t runs = 0, dispatches = 0, allocations = 0, cancel_at = -1, largest_rows = 0;
  std::vector<Op> kinds;
  std::set<uint32_t> seen_uses;

 private:
  static void refuse_overlap(const Dispatch& d) {
    for (const Tensor& out : d.out) {
      if (!out) continue;
      if (out.offset + out.bytes() > out.memory->bytes()) throw Error("BACKEND_FAILED", "output outside its memory");
      for (const Tensor& in : d.in) {
        const bool apart = !in || in.memory != out.memory || in.offset + in.bytes() <= out.offset ||
                           out.offset + out.bytes() <= in.offset;
        if (!apart) throw Error("BACKEND_FAILED", "an output overlaps an input");
      }
    }
  }

  static const NaiveWeight* weight(const Dispatch& d, int which) {
    return static_cast<const NaiveWeight*>(d.weights[which]);
  }

  static void linear(const Dispatch& d) {
    const NaiveWeight *w = weight(d, 0), *b = weight(d, 1);
    for (int64_t r = 0; r < d.out[0].rows; ++r) {
      for (int64_t o = 0; o < d.out[0].width; ++o) {
        float sum = 0;
        for (int64_t i = 0; i < d.in[0].width; ++i)
          sum += d.in[0].at<float>(r)[i] * w->data[static_cast<size_t>(o * d.in[0].width + i)];
        sum = naive_activation(d.attrs->activation, sum + (b ? b->data[static_cast<size_t>(o)] : 0));
        d.out[0].at<float>(r)[o] = d.in[1] ? sum + d.in[1].at<float>(r)[o] : sum;
      }
    }
  }

  static void norm(const Dispatch& d) {
    for (int64_t r = 0; r < d.out[0].rows; ++r) {
      const float* x = d.in[0].at<float>(r);
      float sum = 0;
      for (int64_t c = 0; c < d.in[0].width; ++c) sum += x[c] * x[c];
      const float scale = 1 / std::sqrt(sum / static_cast<float>(d.in[0].width) + d.attrs->eps);
      for (int64_t c = 0; c < d.in[0].width; ++c) d.out[0].at<float>(r)[c] = x[c] * scale;
    }
  }

  // One head.
  static void segments(const Dispatch& d) {
    const int64_t width = d.in[0].width;
    for (int64_t s = 0; s + 1 < d.in[3].rows; ++s) {
      const int64_t first = *d.in[3].at<int32_t>(s), last = *d.in[3].at<int32_t>(s + 1);
      for (int64_t r = first; r < last; ++r) {
        std::vector<float> sums(static_cast<size_t>(width), 0);
        float total = 0;
        const int64_t seen = d.in[4] ? *d.in[4].at<int32_t>(r) : last;
        for (int64_t j = first; j < seen; ++j) {
          float dot = 0;
          for (int64_t c = 0; c < width; ++c) dot += d.in[0].at<float>(r)[c] * d.in[1].at<float>(j)[c];
          const float p = std::exp(std::tanh(dot));
          total += p;
          for (int64_t c = 0; c < width; ++c) sums[static_cast<size_t>(c)] += p * d.in[2].at<float>(j)[c];
        }
        for (int64_t c = 0; c < width; ++c) d.out[0].at<float>(r)[c] = sums[static_cast<size_t>(c)] / total;
      }
    }
  }

  template <class Compute>  // compute(row, column) of output 0
  static void each(const Dispatch& d, Compute compute) {
    for (int64_t r = 0; r < d.out[0].rows; ++r) {
      for (int64_t c = 0; c < d.out[0].width; ++c) d.out[0].at<float>(r)[c] = compute(r, c);
    }
  }

  static float indexed(const Dispatch& d, int64_t r, int64_t c, bool add) {
    const int32_t index = *d.in[2].at<int32_t>(r);
    const float x = d.in[0].at<float>(r)[c];
    if (index < 0) return x;
    return add ? x + d.in[1].at<float>(index)[c] : d.in[1].at<float>(index)[c];
  }

  static void step(const Dispatch& d) {
    const OpAttrs& a = *d.attrs;
    const auto in = [&](int which, int64_t r, int64_t c) { return d.in[which].at<float>(r)[c]; };
    switch (d.op) {
      case Op::Linear:
        return linear(d);
      case Op::RmsNorm:
        return norm(d);
      case Op::SegmentAttention:
        return segments(d);
      case Op::Embedding:
        return each(d, [&](int64_t r, int64_t c) {
          return weight(d, 0)->data[static_cast<size_t>(*d.in[0].at<int32_t>(r) * d.out[0].width + c)];
        });
      case Op::Add:
        return each(d, [&](int64_t r, int64_t c) {
          return in(0, r, c) +
                 (d.in[1] ? in(1, r, d.in[1].width == 1 ? 0 : c) : weight(d, 0)->data[static_cast<size_t>(c)]);
        });
      case Op::Mul:
        return each(d, [&](int64_t r, int64_t c) { return in(0, r, c) * in(1, r, d.in[1].width == 1 ? 0 : c); });
      case Op::Activation:
        return each(d, [&](int64_t r, int64_t c) { return naive_activation(a.activation, in(0, r, c)) * a.scale; });
      case Op::Clamp:
        return each(d, [&](int64_t r, int64_t c) {
          return std::min(std::max(in(0, r, c), weight(d, 0)->data[0]), weight(d, 1)->data[0]);
        });
      case Op::GatedActivation:
        return each(d, [&](int64_t r, int64_t c) { return naive_activation(a.activation, in(0, r, c)) * in(1, r, c); });
      case Op::ReplaceRows:
        return each(d, [&](int64_t r, int64_t c) { return indexed(d, r, c, false); });
      case Op::AddRows:
        return each(d, [&](int64_t r, int64_t c) { return indexed(d, r, c, true); });
      case Op::GatherRows:
        return each(d, [&](int64_t r, int64_t c) {
          const int32_t from = d.in[1].at<int32_t>(r)[c / d.in[0].width];
          return from < 0 ? 0 : in(0, from, c % d.in[0].width);
        });
      case Op::DepthwiseRows:
        return each(d, [&](int64_t r, int64_t c) {
          float sum = 0;
          for (int64_t t = 0; t < d.in[1].width; ++t) {
            const int32_t from = d.in[1].at<int32_t>(r)[t];
            if (from >= 0) sum += weight(d, 0)->data[static_cast<size_t>(t * d.out[0].width + c)] * in(0, from, c);
          }
          return sum;
        });
      case Op::Slice:
        return each(d, [&](int64_t r, int64_t c) { return in(0, r, a.start + c); });
      case Op::Concat:
        return each(
            d, [&](int64_t r, int64_t c) { return c < d.in[0].width ? in(0, r, c) : in(1, r, c - d.in[0].width); });
      case Op::Repeat:
        return each(d, [&](int64_t r, int64_t c) { return in(0, r, c % d.in[0].width); });
      case Op::TransposeInner:
        return each(d, [&](int64_t r, int64_t c) { return in(0, r, c % a.m * (d.in[0].width / a.m) + c / a.m); });
      case Op::Attention:
        return each(d, [&](int64_t r, int64_t c) { return d.in[2] ? in(2, r, c) : in(0, r, c); });
      default:
        throw Error("BACKEND_FAILED", "The naive backend lacks an operator.");
    }
  }
};

}  // namespace afterimage::test
