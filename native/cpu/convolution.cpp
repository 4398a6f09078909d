// Convolution and SeparableConvolution: a task is a piece of an image's output rows. Their inputs are named by pointers,
// one for each tap, or put side by side in the thread's scratch where a pixel is narrow or a depthwise stage makes them;
// register tiles then run over all outputs.
#include <algorithm>
#include <cstring>

#include "cpu/cpu_context.h"
#include "cpu/depthwise.h"
#include "cpu/image_grid.h"

namespace afterimage {
namespace {

constexpr int kMaxRows = 96;
constexpr int64_t kNarrow = 8;  // channels below which a window is copied: a pointer for each tap would cost more

// How the inputs of a tile are found.
enum class Inputs { rows, taps, copied, depthwise };

struct Convolver {
  CpuContext& c;
  const Dispatch& d;
  const OpAttrs& a = *d.attrs;
  const Tensor x = d.in[0], y = d.out[0];
  const PackedKernel& kernel = cpu_weight(d.weights[0])->kernel;
  const float* bias = vector_of(d.weights[1]);
  const int window = a.kernel_y * a.kernel_x;
  const Inputs inputs = d.op == Op::SeparableConvolution                       ? Inputs::depthwise
                        : window == 1 && a.stride_y == 1 && a.stride_x == 1 ? Inputs::rows
                        : x.width < kNarrow                                    ? Inputs::copied
                                                                               : Inputs::taps;
  const int taps = inputs == Inputs::taps ? window : 1;
  const int64_t channels = kernel.columns / taps;

  // Rows of one task: what they read stays in the second-level cache.
  int task_rows() const {
    constexpr int64_t kCacheBytes = 192 << 10;
    return static_cast<int>(std::clamp<int64_t>(kCacheBytes / (channels * 4) / 24 * 24, 24, kMaxRows));
  }

  struct Space {
    const float** x;
    float** out;
    float *zeros, *spare, *made;
  };
  size_t space_bytes() const {
    const size_t rows = kMaxRows + kSpareRows;
    const size_t made = inputs == Inputs::copied || inputs == Inputs::depthwise ? rows * padded(channels) : 0;
    return rows * (static_cast<size_t>(taps) + 1) * 8 + 64 +
           (padded(x.width) + padded(kernel.outs) + made) * sizeof(float);
  }
  static size_t padded(int64_t floats) { return static_cast<size_t>((floats + 15) / 16 * 16); }
  Space space(int thread) const {
    uint8_t* base = c.thread_scratch[static_cast<size_t>(thread)].reserve(space_bytes());
    const size_t rows = kMaxRows + kSpareRows;
    Space s;
    s.zeros = reinterpret_cast<float*>(base);
    s.spare = s.zeros + padded(x.width);
    s.made = s.spare + padded(kernel.outs);
    const bool makes = inputs == Inputs::copied || inputs == Inputs::depthwise;
    s.x = reinterpret_cast<const float**>(s.made + (makes ? rows * padded(channels) : 0));
    s.out = reinterpret_cast<float**>(reinterpret_cast<uint8_t*>(s.x) + rows * static_cast<size_t>(taps) * sizeof(float*));
    std::memset(s.zeros, 0, static_cast<size_t>(x.width) * 4);
    return s;
  }

  // The pixel (iy, ix) of x; null outside the image.
  const float* pixel(const GridImage& image, int64_t iy, int64_t ix) const {
    if (iy < 0 || iy >= image.height || ix < 0 || ix >= image.width) return nullptr;
    return x.at<float>(image.first + iy * image.width + ix);
  }

  void name_taps(const GridTask& task, const Space& s) const {
    for_each_run(task, [&](int64_t oy, int64_t ox, int count, int done) {
      for (int i = 0; i < count; ++i) {
        const float** to = s.x + int64_t{done + i} * taps;
        for (int ky = 0; ky < a.kernel_y; ++ky)
          for (int kx = 0; kx < a.kernel_x; ++kx) {
            const float* from = pixel(*task.image, oy * a.stride_y - a.pad_y + ky, (ox + i) * a.stride_x - a.pad_x + kx);
            *to++ = from ? from : s.zeros;
          }
      }
    });
  }

  // A row of the kernel lies side by side in x wherever the window is inside the image.
  void copy_windows(const GridTask& task, const Space& s) const {
    const int64_t line = a.kernel_x * x.width;
    for_each_run(task, [&](int64_t oy, int64_t ox, int count, int done) {
      for (int i = 0; i < count; ++i) {
        float* to = s.made + (done + i) * static_cast<int64_t>(padded(channels));
        const int64_t left = (ox + i) * a.stride_x - a.pad_x;
        const bool inside = left >= 0 && left + a.kernel_x <= task.image->width;
        for (int ky = 0; ky < a.kernel_y; ++ky, to += line) {
          const int64_t iy = oy * a.stride_y - a.pad_y + ky;
          if (inside && iy >= 0 && iy < task.image->height) {
            std::copy_n(pixel(*task.image, iy, left), line, to);
            continue;
          }
          for (int kx = 0; kx < a.kernel_x; ++kx) {
            const float* from = pixel(*task.image, iy, left + kx);
            std::copy_n(from ? from : s.zeros, x.width, to + kx * x.width);
          }
        }
      }
    });
  }

  void find_inputs(const GridTask& task, const Space& s) const {
    if (inputs == Inputs::taps) return name_taps(task, s);
    const bool made = inputs != Inputs::rows;
    if (inputs == Inputs::copied) copy_windows(task, s);
    if (inputs == Inputs::depthwise)
      run_depthwise(c, d, x, task, {vector_of(d.weights[2]), vector_of(d.weights[3]), a.inner_activation, a.inner_scale,
                                    a.inner_shift}, s.made, static_cast<int64_t>(padded(channels)));
    for (int i = 0; i < task.count; ++i)
      s.x[i] = made ? s.made + i * static_cast<int64_t>(padded(channels))
                    : x.at<float>(task.image->first + task.first + i);
  }

  void run(const GridTask& task, int thread) const {
    const Space s = space(thread);
    find_inputs(task, s);
    float* first = y.at<float>(task.image->out_first + task.first);
    for (int i = 0; i < task.count; ++i) s.out[i] = first + i * y.width;
    for (int i = 0; i < kSpareRows; ++i) {
      std::copy_n(s.x + int64_t{task.count - 1} * taps, taps, s.x + int64_t{task.count + i} * taps);
      s.out[task.count + i] = s.spare;
    }
    c.kernels.convolve({kernel.values(), kernel.outs, channels, taps, task.count, s.x, s.out});
    if (!bias && a.activation == Activation::none && a.scale == 1 && a.shift == 0) return;
    for (int i = 0; i < task.count; ++i)
      c.kernels.settle(s.out[i], bias, y.width, a.activation, a.scale, a.shift);
  }
};

}  // namespace

void run_convolution(CpuContext& c, const Dispatch& d) {
  const Convolver convolver{c, d};
  const auto images = grid_images(d.in[1], d.in[0].rows, d.attrs->stride_y, d.attrs->stride_x);
  const auto tasks = grid_tasks(images, convolver.task_rows());
  for (Scratch& scratch : c.thread_scratch) scratch.reserve(convolver.space_bytes());
  c.pool.for_each(static_cast<int64_t>(tasks.size()),
                  [&](int64_t task, int thread) { convolver.run(tasks[static_cast<size_t>(task)], thread); });
}

void run_depthwise(const CpuContext& c, const Dispatch& d, const Tensor& x, const GridTask& task,
                   const DepthwiseStage& stage, float* out, int64_t stride) {
  constexpr int kMaxKernel = 64;  // what shape rules allow
  const OpAttrs& a = *d.attrs;
  const GridImage& image = *task.image;
  for_each_run(task, [&](int64_t oy, int64_t ox, int count, int done) {
    const float* rows[kMaxKernel];
    for (int ky = 0; ky < a.kernel_y; ++ky) {
      const int64_t iy = oy * a.stride_y - a.pad_y + ky;
      rows[ky] = iy >= 0 && iy < image.height ? x.at<float>(image.first + iy * image.width) : nullptr;
    }
    float* to = out + done * stride;
    c.kernels.depthwise_pixels({rows, stage.weights, x.width, image.width, ox, count, a.kernel_y, a.kernel_x, a.stride_x,
                                a.pad_x, to, stride});
    if (!stage.bias && stage.activation == Activation::none && stage.scale == 1 && stage.shift == 0) return;
    for (int i = 0; i < count; ++i)
      c.kernels.settle(to + i * stride, stage.bias, x.width, stage.activation, stage.scale, stage.shift);
  });
}

void run_depthwise_convolution(CpuContext& c, const Dispatch& d) {
  const OpAttrs& a = *d.attrs;
  const Tensor x = d.in[0], y = d.out[0];
  const auto images = grid_images(d.in[1], x.rows, a.stride_y, a.stride_x);
  const auto tasks = grid_tasks(images, static_cast<int>(std::clamp<int64_t>(16384 / x.width, 8, 1024)));
  const DepthwiseStage stage{vector_of(d.weights[0]), vector_of(d.weights[1]), a.activation, a.scale, a.shift};
  c.pool.for_each(static_cast<int64_t>(tasks.size()), [&](int64_t index, int) {
    const GridTask& task = tasks[static_cast<size_t>(index)];
    run_depthwise(c, d, x, task, stage, y.at<float>(task.image->out_first + task.first), y.width);
  });
}

}  // namespace afterimage
