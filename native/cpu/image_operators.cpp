// What images need beside convolutions: means, gains, enlarging; and the class of a row.
#include <cstring>

#include "cpu/cpu_context.h"
#include "cpu/image_grid.h"

namespace afterimage {

// Sums of 256 pixels, counted from the image's first, added in their order: no image sees another.
void run_image_mean(CpuContext& c, const Dispatch& d) {
  constexpr int kPixels = 256;
  const Tensor x = d.in[0], y = d.out[0];
  const auto images = grid_images(d.in[1], x.rows, 1, 1);
  std::vector<GridTask> tasks;
  for (const GridImage& image : images)
    for (int64_t first = 0; first < image.out_rows(); first += kPixels)
      tasks.push_back({&image, first, static_cast<int>(std::min<int64_t>(kPixels, image.out_rows() - first))});
  float* sums = reinterpret_cast<float*>(c.rows.reserve(tasks.size() * static_cast<size_t>(x.width) * 4));
  const auto sum_at = [&](size_t task) { return sums + task * static_cast<size_t>(x.width); };
  c.pool.for_each(static_cast<int64_t>(tasks.size()), [&](int64_t index, int) {
    const GridTask& task = tasks[static_cast<size_t>(index)];
    float* sum = sum_at(static_cast<size_t>(index));
    const float* from = x.at<float>(task.image->first + task.first);
    std::memcpy(sum, from, static_cast<size_t>(x.width) * 4);
    for (int i = 1; i < task.count; ++i) c.kernels.add(sum, from + i * x.width, x.width, sum);
  });
  for (size_t i = 0; i < tasks.size(); ++i) {
    float* to = y.at<float>(tasks[i].image - images.data());
    if (tasks[i].first == 0) std::memcpy(to, sum_at(i), static_cast<size_t>(x.width) * 4);
    else c.kernels.add(to, sum_at(i), x.width, to);
  }
  for (size_t i = 0; i < images.size(); ++i) {
    float* to = y.at<float>(static_cast<int64_t>(i));
    c.kernels.scale(to, 1.0f / static_cast<float>(images[i].out_rows()), x.width, to);
  }
}

void run_scale_images(CpuContext& c, const Dispatch& d) {
  const Tensor x = d.in[0], gain = d.in[2], y = d.out[0];
  const auto images = grid_images(d.in[1], x.rows, 1, 1);
  const auto tasks = grid_tasks(images, static_cast<int>(std::clamp<int64_t>(16384 / x.width, 1, 4096)));
  c.pool.for_each(static_cast<int64_t>(tasks.size()), [&](int64_t index, int) {
    const GridTask& task = tasks[static_cast<size_t>(index)];
    const float* factors = gain.at<float>(task.image - images.data());
    for (int64_t r = task.image->first + task.first, last = r + task.count; r < last; ++r)
      c.kernels.multiply(x.at<float>(r), factors, x.width, y.at<float>(r));
  });
}

void run_spread(CpuContext& c, const Dispatch& d) {
  const Tensor x = d.in[0], y = d.out[0];
  const int64_t factor = d.attrs->factor, part = d.attrs->whole ? 0 : y.width;
  const auto images = grid_images(d.in[1], x.rows, 1, 1, factor);
  const auto tasks = grid_tasks(images, static_cast<int>(std::clamp<int64_t>(16384 / y.width, 1, 65536)));
  c.pool.for_each(static_cast<int64_t>(tasks.size()), [&](int64_t index, int) {
    const GridTask& task = tasks[static_cast<size_t>(index)];
    const GridImage& image = *task.image;
    float* to = y.at<float>(image.out_first + task.first);
    for_each_run(task, [&](int64_t oy, int64_t ox, int count, int) {
      const float* line = x.at<float>(image.first + oy / factor * image.width);
      for (int64_t at = ox; at < ox + count; ++at, to += y.width) {
        const float* from = line + at / factor * x.width + (oy % factor * factor + at % factor) * part;
        if (y.width == 1) *to = *from;
        else std::memcpy(to, from, static_cast<size_t>(y.width) * 4);
      }
    });
  });
}

void run_best_class(CpuContext& c, const Dispatch& d) {
  const Tensor x = d.in[0], y = d.out[0];
  c.for_rows(x.rows, x.width, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) c.kernels.best_class(x.at<float>(r), x.width, y.at<float>(r));
  });
}

}  // namespace afterimage
