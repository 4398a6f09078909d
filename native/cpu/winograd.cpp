#include "cpu/winograd.h"

#include <algorithm>

#include "cpu/image_grid.h"

namespace afterimage {
namespace {

constexpr double kRootHalf = 0.70710678118654752, kRootTwo = 1.41421356237309505;
// Kernel at a point p is g0 + g1·p + g2·p², divided by Π(p − q) over the other points q.
constexpr double kPoints[kWinogradSide][3] = {{1, 0, 0},
                                              {-2.0 / 3, -2.0 / 3 * kRootHalf, -1.0 / 3},
                                              {-2.0 / 3, 2.0 / 3 * kRootHalf, -1.0 / 3},
                                              {1.0 / 6, 1.0 / 6 * kRootTwo, 1.0 / 3},
                                              {1.0 / 6, -1.0 / 6 * kRootTwo, 1.0 / 3},
                                              {0, 0, 1}};

// Some tiles of one image, in raster order.
struct TileTask {
  const GridImage* image;
  int64_t across, first;  // tiles in a row of them; first tile
  int count;
};

struct Winograd {
  CpuContext& c;
  const Dispatch& d;
  const Tensor x = d.in[0], y = d.out[0];
  const PackedKernel& kernel = cpu_weight(d.weights[0])->winograd;
  const int64_t channels = kernel.columns, outs = kernel.outs;
  const int most = most_tiles();
  const int64_t rows = most + kSpareRows;

  // Transformed inputs of a task stay in the second-level cache beside the kernel that they meet.
  int most_tiles() const {
    constexpr int64_t kCacheBytes = 192 << 10;
    return static_cast<int>(std::clamp<int64_t>(kCacheBytes / (channels * kWinogradInputs * 4) / 12 * 12, 12, 48));
  }

  size_t space_floats() const {
    return static_cast<size_t>(kWinogradInputs * most * (channels + outs) + std::max(channels, outs) + outs);
  }

  std::vector<TileTask> tasks(const std::vector<GridImage>& images) const {
    std::vector<TileTask> tasks;
    for (const GridImage& image : images) {
      const int64_t across = (image.width + kWinogradStep - 1) / kWinogradStep;
      const int64_t tiles = (image.height + kWinogradStep - 1) / kWinogradStep * across;
      for (int64_t first = 0; first < tiles; first += most)
        tasks.push_back({&image, across, first, static_cast<int>(std::min<int64_t>(most, tiles - first))});
    }
    return tasks;
  }

  // [36][most][channels]
  void transform_inputs(const TileTask& task, const float* zeros, float* inputs) const {
    const GridImage& image = *task.image;
    for (int t = 0; t < task.count; ++t) {
      const int64_t top = (task.first + t) / task.across * kWinogradStep - 1;
      const int64_t left = (task.first + t) % task.across * kWinogradStep - 1;
      const float* pixels[kWinogradInputs];
      for (int i = 0; i < kWinogradInputs; ++i) {
        const int64_t iy = top + i / kWinogradSide, ix = left + i % kWinogradSide;
        const bool inside = iy >= 0 && iy < image.height && ix >= 0 && ix < image.width;
        pixels[i] = inside ? x.at<float>(image.first + iy * image.width + ix) : zeros;
      }
      c.kernels.winograd_inputs(pixels, channels, inputs + t * channels, most * channels);
    }
  }

  // [36][most][outs]
  void multiply(const TileTask& task, const float* inputs, float* spare, float* sums) const {
    const void* from[48 + kSpareRows];
    float* to[48 + kSpareRows];
    const size_t point_bytes = kernel.bytes.size() / kWinogradInputs;
    for (int i = 0; i < kWinogradInputs; ++i) {
      for (int t = 0; t < task.count; ++t) {
        from[t] = inputs + (int64_t{i} * most + t) * channels;
        to[t] = sums + (int64_t{i} * most + t) * outs;
      }
      for (int t = task.count; t < task.count + kSpareRows; ++t) from[t] = inputs, to[t] = spare;
      c.kernels.convolve({kernel.bytes.data() + static_cast<size_t>(i) * point_bytes, nullptr, outs, channels, 1,
                          task.count, from, nullptr, to});
    }
  }

  void transform_outputs(const TileTask& task, const float* sums, float* spare) const {
    const GridImage& image = *task.image;
    const OpAttrs& a = *d.attrs;
    for (int t = 0; t < task.count; ++t) {
      const int64_t top = (task.first + t) / task.across * kWinogradStep;
      const int64_t left = (task.first + t) % task.across * kWinogradStep;
      float *out[kWinogradOutputs], *settled[kWinogradOutputs];
      int inside = 0;
      for (int i = 0; i < kWinogradOutputs; ++i) {
        const int64_t oy = top + i / kWinogradStep, ox = left + i % kWinogradStep;
        out[i] = spare;
        if (oy < image.height && ox < image.width)
          out[i] = settled[inside++] = y.at<float>(image.out_first + oy * image.width + ox);
      }
      c.kernels.winograd_outputs(sums + t * outs, most * outs, outs, out);
      const Settling settling{vector_of(d.weights[1]), a.activation, a.scale, a.shift};
      if (settling.changes()) c.kernels.settle({settled, inside, outs, settling});
    }
  }

  void run(const TileTask& task, int thread) const {
    float* inputs = c.thread_scratch[static_cast<size_t>(thread)].reserve_array<float>(space_floats());
    float* sums = inputs + int64_t{kWinogradInputs} * most * channels;
    float* zeros = sums + int64_t{kWinogradInputs} * most * outs;
    float* spare = zeros + std::max(channels, outs);
    std::fill_n(zeros, channels, 0.0f);
    transform_inputs(task, zeros, inputs);
    multiply(task, inputs, spare, sums);
    transform_outputs(task, sums, spare);
  }
};

}  // namespace

bool winograd_pays(int64_t outs, int64_t channels) { return outs >= 8 && channels >= 16; }

PackedKernel pack_winograd(const WeightSource& source, int lanes, int widest) {
  const int64_t channels = source.columns / 9;
  std::vector<float> row(static_cast<size_t>(source.columns));
  std::vector<float> points(static_cast<size_t>(kWinogradInputs * source.rows * channels));
  for (int64_t out = 0; out < source.rows; ++out) {
    dequantize_row(source, 0, out, row.data());
    for (int i = 0; i < kWinogradInputs; ++i)
      for (int64_t k = 0; k < channels; ++k) {
        double sum = 0;
        for (int t = 0; t < 9; ++t)
          sum += kPoints[i / kWinogradSide][t / 3] * kPoints[i % kWinogradSide][t % 3] *
                 row[static_cast<size_t>(t * channels + k)];
        points[static_cast<size_t>((i * source.rows + out) * channels + k)] = static_cast<float>(sum);
      }
  }
  PackedKernel all;
  for (int i = 0; i < kWinogradInputs; ++i) {
    WeightSource point;
    point.rows = source.rows;
    point.columns = channels;
    point.row_bytes = static_cast<size_t>(channels) * sizeof(float);
    point.data = reinterpret_cast<const std::byte*>(points.data() + i * source.rows * channels);
    const PackedKernel one = pack_kernel(point, lanes, widest);
    if (i == 0) {
      all.outs = one.outs;
      all.columns = one.columns;
      all.bytes = AlignedBytes(one.bytes.size() * kWinogradInputs);
    }
    std::copy_n(one.bytes.data(), one.bytes.size(), all.bytes.data() + static_cast<size_t>(i) * one.bytes.size());
  }
  return all;
}

void run_winograd(CpuContext& c, const Dispatch& d) {
  const Winograd winograd{c, d};
  const auto images = grid_images(d.in[1], d.in[0].rows, 1, 1);
  const auto tasks = winograd.tasks(images);
  for (Scratch& scratch : c.thread_scratch) scratch.reserve_array<float>(winograd.space_floats());
  c.pool.for_each(static_cast<int64_t>(tasks.size()),
                  [&](int64_t task, int thread) { winograd.run(tasks[static_cast<size_t>(task)], thread); });
}

}  // namespace afterimage
