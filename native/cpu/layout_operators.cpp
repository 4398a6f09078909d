// Operators that only move elements of 4 bytes.
#include <cstring>

#include "cpu/cpu_context.h"

namespace afterimage {
namespace {

void slice_row(const Dispatch& d, int64_t r) {
  const OpAttrs& a = *d.attrs;
  const int64_t width = d.in[0].width / a.groups;
  for (int64_t g = 0; g < a.groups; ++g)
    std::memcpy(d.out[0].at<uint32_t>(r) + g * a.count, d.in[0].at<uint32_t>(r) + g * width + a.start,
                static_cast<size_t>(a.count) * 4);
}

void concat_row(const Dispatch& d, int64_t r) {
  const int64_t groups = d.attrs->groups, wa = d.in[0].width / groups, wb = d.in[1].width / groups;
  for (int64_t g = 0; g < groups; ++g) {
    uint32_t* to = d.out[0].at<uint32_t>(r) + g * (wa + wb);
    std::memcpy(to, d.in[0].at<uint32_t>(r) + g * wa, static_cast<size_t>(wa) * 4);
    std::memcpy(to + wa, d.in[1].at<uint32_t>(r) + g * wb, static_cast<size_t>(wb) * 4);
  }
}

void repeat_row(const Dispatch& d, int64_t r) {
  const int64_t width = d.in[0].width;
  for (int64_t t = 0; t < d.attrs->times; ++t)
    std::memcpy(d.out[0].at<uint32_t>(r) + t * width, d.in[0].at<uint32_t>(r), static_cast<size_t>(width) * 4);
}

void transpose_row(const Dispatch& d, int64_t r) {
  const int64_t m = d.attrs->m, n = d.in[0].width / m;
  const uint32_t* from = d.in[0].at<uint32_t>(r);
  uint32_t* to = d.out[0].at<uint32_t>(r);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) to[j * m + i] = from[i * n + j];
}

}  // namespace

void run_layout(CpuContext& c, const Dispatch& d) {
  const Tensor y = d.out[0];
  if (d.op == Op::Regroup) {
    const auto* from = d.in[0].at<uint32_t>();
    if (from == y.at<uint32_t>()) return;
    return c.for_rows(y.rows, y.width, [&](int64_t first, int64_t last) {
      std::memcpy(y.at<uint32_t>(first), from + first * y.width, static_cast<size_t>((last - first) * y.width) * 4);
    });
  }
  c.for_rows(y.rows, y.width, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      if (d.op == Op::Slice)
        slice_row(d, r);
      else if (d.op == Op::Concat)
        concat_row(d, r);
      else if (d.op == Op::Repeat)
        repeat_row(d, r);
      else
        transpose_row(d, r);
    }
  });
}

}  // namespace afterimage
