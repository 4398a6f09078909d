#include "cpu/depthwise.h"

#include <algorithm>

namespace afterimage {

void run_depthwise(const CpuContext& c, const Dispatch& d, const Tensor& x, const GridTask& task,
                   const DepthwiseStage& stage, float* out, int64_t stride, int64_t row_stride) {
  constexpr int kMaxKernel = 64;  // what shape rules allow
  // At a time: what windows share of so many channels, and their weights, stay in the first-level cache.
  constexpr int64_t kChannels = 32;
  const OpAttrs& a = *d.attrs;
  const GridImage& image = *task.image;
  for (int64_t from = 0; from < x.width; from += kChannels) {
    Settling settling = stage.settling;
    if (settling.bias) settling.bias += from;
    for_each_run(task, [&](int64_t oy, int64_t ox, int count, int) {
      const float* rows[kMaxKernel];
      for (int ky = 0; ky < a.kernel_y; ++ky) {
        const int64_t iy = oy * a.stride_y - a.pad_y + ky;
        rows[ky] = iy >= 0 && iy < image.height ? x.at<float>(image.first + iy * image.width) + from : nullptr;
      }
      c.kernels.depthwise_pixels({rows, stage.weights + from, std::min(kChannels, x.width - from), x.width, image.width,
                                  ox, count, a.kernel_y, a.kernel_x, a.stride_x, a.pad_x,
                                  out + (oy - task.y) * row_stride + from, stride, settling});
    });
  }
}

void run_depthwise_convolution(CpuContext& c, const Dispatch& d) {
  const OpAttrs& a = *d.attrs;
  const Tensor x = d.in[0], y = d.out[0];
  const auto images = grid_images(d.in[1], x.rows, a.stride_y, a.stride_x);
  const auto tasks = grid_tasks(images, 96);
  const DepthwiseStage stage{vector_of(d.weights[0]), {vector_of(d.weights[1]), a.activation, a.scale, a.shift}};
  c.pool.for_each(static_cast<int64_t>(tasks.size()), [&](int64_t index, int) {
    const GridTask& task = tasks[static_cast<size_t>(index)];
    run_depthwise(c, d, x, task, stage, y.at<float>(task.out_row(0)), y.width, task.image->out_width * y.width);
  });
}

}  // namespace afterimage
