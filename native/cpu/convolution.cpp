// Convolution and SeparableConvolution: a task is a rectangle of an image's output pixels. Their inputs are named by
// pointers, one for each tap, or put side by side in the thread's scratch where a pixel is narrow or a depthwise stage
// makes them; register tiles then run over all outputs. In pairs of 16-bit integers (PackedKernel) an input row has a
// scale of its own, or, where windows overlap, the scale of its image: no image sees another.
#include <algorithm>
#include <cstring>

#include "cpu/cpu_context.h"
#include "cpu/depthwise.h"
#include "cpu/image_grid.h"
#include "cpu/winograd.h"

namespace afterimage {
namespace {

constexpr int kMaxRows = 96;
constexpr int64_t kNarrow = 8;  // channels below which a window is copied: a pointer for each tap would cost more

// How the inputs of a tile are found.
enum class Inputs { rows, taps, copied, depthwise };

size_t padded(int64_t count) { return static_cast<size_t>((count + 15) / 16 * 16); }

// Takes aligned arrays from a thread's scratch, or only counts their bytes where there is none yet.
struct Carver {
  uint8_t* base;
  size_t used = 0;
  template <class T>
  T* take(size_t count) {
    T* at = base ? reinterpret_cast<T*>(base + used) : nullptr;
    used += (count * sizeof(T) + 63) / 64 * 64;
    return at;
  }
};

struct Space {
  const void** x;
  float** out;
  float *zeros, *spare, *made, *scales;
  int16_t* pairs;
};

struct Convolver {
  CpuContext& c;
  const Dispatch& d;
  const OpAttrs& a = *d.attrs;
  const Tensor x = d.in[0], y = d.out[0];
  const PackedKernel& kernel = cpu_weight(d.weights[0])->kernel;
  const float* bias = vector_of(d.weights[1]);
  const int window = a.kernel_y * a.kernel_x;
  const Inputs inputs = find_way();
  const int taps = inputs == Inputs::taps ? window : 1;
  const int64_t channels = kernel.columns / taps;
  const bool row_pairs = kernel.pairs() && inputs != Inputs::taps;
  const int16_t* image_pairs = nullptr;  // of x, where windows overlap
  std::vector<float> image_scales = {};

  Inputs find_way() const {
    if (d.op == Op::SeparableConvolution) return Inputs::depthwise;
    if (window == 1 && a.stride_y == 1 && a.stride_x == 1) return Inputs::rows;
    return x.width < kNarrow || (kernel.pairs() && x.width % 2 != 0) ? Inputs::copied : Inputs::taps;
  }

  // What one task reads stays in the second-level cache.
  int task_rows() const {
    constexpr int64_t kCacheBytes = 192 << 10;
    return static_cast<int>(std::clamp<int64_t>(kCacheBytes / (channels * 4) / 24 * 24, 24, kMaxRows));
  }

  Space carve(Carver& carver) const {
    const size_t rows = kMaxRows + kSpareRows;
    const bool makes = inputs == Inputs::copied || inputs == Inputs::depthwise;
    Space s;
    s.zeros = carver.take<float>(static_cast<size_t>(x.width));
    s.spare = carver.take<float>(static_cast<size_t>(kernel.outs));
    s.made = carver.take<float>(makes ? rows * padded(channels) : 0);
    s.pairs = carver.take<int16_t>(row_pairs ? rows * padded(channels) : 0);
    s.scales = carver.take<float>(rows);
    s.x = carver.take<const void*>(rows * static_cast<size_t>(taps));
    s.out = carver.take<float*>(rows);
    return s;
  }

  size_t space_bytes() const {
    Carver carver{nullptr};
    carve(carver);
    return carver.used;
  }

  // The pixel (iy, ix) of x; null outside the image.
  const float* pixel(const GridImage& image, int64_t iy, int64_t ix) const {
    if (iy < 0 || iy >= image.height || ix < 0 || ix >= image.width) return nullptr;
    return x.at<float>(image.first + iy * image.width + ix);
  }

  void name_taps(const GridTask& task, const Space& s) const {
    const GridImage& image = *task.image;
    for_each_run(task, [&](int64_t oy, int64_t ox, int count, int done) {
      for (int i = 0; i < count; ++i) {
        const void** to = s.x + int64_t{done + i} * taps;
        for (int ky = 0; ky < a.kernel_y; ++ky)
          for (int kx = 0; kx < a.kernel_x; ++kx, ++to) {
            const float* from = pixel(image, oy * a.stride_y - a.pad_y + ky, (ox + i) * a.stride_x - a.pad_x + kx);
            if (!from)
              *to = s.zeros;
            else if (image_pairs)
              *to = image_pairs + (from - x.at<float>());
            else
              *to = from;
          }
      }
    });
  }

  // A row of the kernel lies side by side in x wherever the window is inside the image.
  void copy_windows(const GridTask& task, const Space& s) const {
    const int64_t line = a.kernel_x * x.width;
    for_each_run(task, [&](int64_t oy, int64_t ox, int count, int done) {
      for (int i = 0; i < count; ++i) {
        float* to = s.made + static_cast<size_t>(done + i) * padded(channels);
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

  // Row i of the task in f32, where it is one row.
  const float* row(const GridTask& task, const Space& s, int i) const {
    if (inputs == Inputs::rows) return x.at<float>(task.image->first + task.x + i);
    return s.made + static_cast<size_t>(i) * padded(channels);
  }

  void find_inputs(const GridTask& task, const Space& s) const {
    if (inputs == Inputs::taps) {
      if (image_pairs) std::fill_n(s.scales, task.rows(), image_scales[static_cast<size_t>(task.image->index)]);
      return name_taps(task, s);
    }
    if (inputs == Inputs::copied) copy_windows(task, s);
    if (inputs == Inputs::depthwise) {
      const Settling inner{vector_of(d.weights[3]), a.inner_activation, a.inner_scale, a.inner_shift};
      const auto stride = static_cast<int64_t>(padded(channels));
      run_depthwise(c, d, x, task, {vector_of(d.weights[2]), inner}, s.made, stride, task.width * stride);
    }
    for (int i = 0; i < task.rows(); ++i) {
      const float* from = row(task, s, i);
      s.x[i] = from;
      if (!row_pairs) continue;
      int16_t* pairs = s.pairs + static_cast<size_t>(i) * padded(channels);
      s.scales[i] = to_pairs(from, channels, c.kernels.largest(from, channels), pairs);
      s.x[i] = pairs;
    }
  }

  // Returns the scale: x ≈ scale · q.
  float to_pairs(const float* from, int64_t count, float largest, int16_t* to) const {
    const float most = static_cast<float>(kMostPairInput);
    c.kernels.to_pairs(from, count, largest > 0 ? most / largest : 0.0f, to);
    return largest / most;
  }

  // Every image of x in pairs, with one scale.
  void pair_images(const std::vector<GridImage>& images) {
    constexpr int64_t kPiece = 1024;  // pixels
    auto* pairs = reinterpret_cast<int16_t*>(c.rows.reserve(static_cast<size_t>(x.rows * x.width) * sizeof(int16_t)));
    struct Piece {
      size_t image;
      int64_t first, elements;
    };
    std::vector<Piece> pieces;
    for (const GridImage& image : images)
      for (int64_t first = 0, rows = image.height * image.width; first < rows; first += kPiece)
        pieces.push_back({image.index, (image.first + first) * x.width, std::min(kPiece, rows - first) * x.width});
    std::vector<float> most(pieces.size());
    const auto for_pieces = [&](auto&& body) {
      c.pool.for_each(static_cast<int64_t>(pieces.size()), [&](int64_t i, int) { body(static_cast<size_t>(i)); });
    };
    for_pieces([&](size_t i) { most[i] = c.kernels.largest(x.at<float>() + pieces[i].first, pieces[i].elements); });
    std::vector<float> largest(images.size(), 0.0f);
    for (size_t i = 0; i < pieces.size(); ++i) largest[pieces[i].image] = std::max(largest[pieces[i].image], most[i]);
    image_scales.resize(images.size());
    for_pieces([&](size_t i) {
      const Piece& piece = pieces[i];
      const float scale =
          to_pairs(x.at<float>() + piece.first, piece.elements, largest[piece.image], pairs + piece.first);
      if (piece.first == images[piece.image].first * x.width) image_scales[piece.image] = scale;
    });
    image_pairs = pairs;
  }

  void run(const GridTask& task, int thread) const {
    Carver carver{c.thread_scratch[static_cast<size_t>(thread)].reserve(space_bytes())};
    const Space s = carve(carver);
    std::memset(s.zeros, 0, static_cast<size_t>(x.width) * sizeof(float));
    find_inputs(task, s);
    const int rows = task.rows();
    for_each_run(task, [&](int64_t oy, int64_t ox, int count, int done) {
      float* first = y.at<float>(task.image->out_first + oy * task.image->out_width + ox);
      for (int i = 0; i < count; ++i) s.out[done + i] = first + i * y.width;
    });
    for (int i = rows; i < rows + kSpareRows; ++i) {
      std::copy_n(s.x + int64_t{rows - 1} * taps, taps, s.x + int64_t{i} * taps);
      s.scales[i] = 0;
      s.out[i] = s.spare;
    }
    const Settling settling{bias, a.activation, a.scale, a.shift};
    c.kernels.convolve({kernel.bytes.data(), kernel.pairs() ? kernel.scales.data() : nullptr, kernel.outs, channels,
                        taps, rows, s.x, s.scales, s.out, settling});
  }
};

}  // namespace

void run_convolution(CpuContext& c, const Dispatch& d) {
  if (by_3x3(*d.attrs) && d.op == Op::Convolution && cpu_weight(d.weights[0])->winograd.outs > 0)
    return run_winograd(c, d);
  Convolver convolver{c, d};
  auto images = grid_images(d.in[1], d.in[0].rows, d.attrs->stride_y, d.attrs->stride_x);
  if (convolver.kernel.pairs() && convolver.inputs == Inputs::taps) convolver.pair_images(images);
  const auto tasks = convolver.inputs == Inputs::rows ? row_tasks(images, convolver.task_rows())
                                                      : grid_tasks(images, convolver.task_rows());
  for (Scratch& scratch : c.thread_scratch) scratch.reserve(convolver.space_bytes());
  c.pool.for_each(static_cast<int64_t>(tasks.size()),
                  [&](int64_t task, int thread) { convolver.run(tasks[static_cast<size_t>(task)], thread); });
}

}  // namespace afterimage
