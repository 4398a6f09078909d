// Row-local operators: norms, rotary positions, elementwise arithmetic.
#include <cmath>
#include <cstring>

#include "cpu/cpu_context.h"

namespace afterimage {

void run_norm(CpuContext& c, const Dispatch& d) {
  const Tensor x = d.in[0], y = d.out[0];
  const float *weight = vector_of(d.weights[0]), *bias = vector_of(d.weights[1]);
  const OpAttrs& a = *d.attrs;
  const int64_t width = x.width / a.groups;
  c.for_rows(x.rows, x.width, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r)
      for (int32_t g = 0; g < a.groups; ++g) {
        const float* from = x.at<float>(r) + g * width;
        float* to = y.at<float>(r) + g * width;
        if (d.op == Op::RmsNorm)
          c.kernels.rms_norm(from, weight, a.weight_offset, a.eps, width, to);
        else
          c.kernels.layer_norm(from, weight, bias, a.eps, width, to);
      }
  });
}

// The angle is rounded to f32 as the reference implementations do; its cosine and sine are those of that f32.
void run_rope_table(CpuContext& c, const Dispatch& d) {
  const Tensor positions = d.in[0], y = d.out[0];
  const OpAttrs& a = *d.attrs;
  const size_t n = a.inv_freq.size();
  c.for_rows(y.rows, y.width * 16, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const int32_t* position = positions.at<int32_t>(r);
      float* to = y.at<float>(r);
      for (size_t i = 0; i < n; ++i) {
        const int32_t axis = i < a.axis.size() ? a.axis[i] : 0;
        const double angle = static_cast<float>(position[axis]) * a.inv_freq[i];
        to[i] = static_cast<float>(std::cos(angle)) * a.scale;
        to[n + i] = static_cast<float>(std::sin(angle)) * a.scale;
      }
    }
  });
}

void run_rope(CpuContext& c, const Dispatch& d) {
  const Tensor x = d.in[0], table = d.in[1], y = d.out[0];
  const OpAttrs& a = *d.attrs;
  const int n = static_cast<int>(table.width / 2);
  const int64_t width = x.width / a.groups;
  c.for_rows(x.rows, x.width, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const float *cosines = table.at<float>(r), *sines = cosines + n;
      if (y.at<float>(r) != x.at<float>(r))
        std::memcpy(y.at<float>(r), x.at<float>(r), static_cast<size_t>(x.width) * 4);
      for (int32_t g = 0; g < a.groups; ++g) {
        float* to = y.at<float>(r) + g * width + a.start;
        float* second = to + (a.interleaved ? 1 : n);
        c.kernels.rotate(to, second, cosines, sines, n, a.interleaved ? 2 : 1, to, second);
      }
    }
  });
}

namespace {

// b as a row for row r: a tensor's row, or a weight shared by all rows.
struct RightOperand {
  const float* vector;
  Tensor tensor;
  const float* row(int64_t r) const { return vector ? vector : tensor.at<float>(r); }
  bool scalar(int64_t width) const { return !vector && tensor.width == 1 && width != 1; }
};

void elementwise_row(const CpuContext& c, const Dispatch& d, const RightOperand& b, int64_t r) {
  const float* x = d.in[0].at<float>(r);
  float* y = d.out[0].at<float>(r);
  const int64_t width = d.out[0].width;
  switch (d.op) {
    case Op::Add:
      if (b.scalar(width)) return c.kernels.shift(x, *b.row(r), width, y);
      return c.kernels.add(x, b.row(r), width, y);
    case Op::Mul:
      if (b.scalar(width)) return c.kernels.scale(x, *b.row(r), width, y);
      return c.kernels.multiply(x, b.row(r), width, y);
    case Op::Activation:
      return c.kernels.activation(x, width, d.attrs->activation, d.attrs->scale, y);
    case Op::GatedActivation:
      return c.kernels.gated(x, b.row(r), width, d.attrs->activation, y);
    case Op::Clamp:
      return c.kernels.clamp(x, width, *b.vector, *vector_of(d.weights[1]), y);
    default:
      return c.kernels.softcap(x, width, d.attrs->softcap, y);
  }
}

}  // namespace

void run_row_statistic(CpuContext& c, const Dispatch& d) {
  const Tensor x = d.in[0], y = d.out[0];
  const OpAttrs& a = *d.attrs;
  c.for_rows(x.rows, x.width, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r)
      *y.at<float>(r) = c.kernels.statistic(x.at<float>(r), x.width, a.statistic, a.eps) * a.scale;
  });
}

void run_elementwise(CpuContext& c, const Dispatch& d) {
  const RightOperand b{vector_of(d.weights[0]), d.in[1]};
  c.for_rows(d.out[0].rows, d.out[0].width, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) elementwise_row(c, d, b, r);
  });
}

}  // namespace afterimage
