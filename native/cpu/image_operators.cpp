// What images need beside convolutions: means, gains, enlarging; and the class of a row.
#include <cstring>

#include "cpu/cpu_context.h"
#include "cpu/image_grid.h"

namespace afterimage {

// Sums of 256 pixels, counted from the image's first, added in their order: no image sees another.
void run_image_mean(CpuContext& c, const Dispatch& d) {
  constexpr int64_t kPixels = 256;
  const Tensor x = d.in[0], y = d.out[0];
  const auto images = grid_images(d.in[1], x.rows, 1, 1);
  struct Piece {
    size_t image;
    int64_t first, count;
  };
  std::vector<Piece> pieces;
  for (const GridImage& image : images)
    for (int64_t first = 0; first < image.out_rows(); first += kPixels)
      pieces.push_back({image.index, first, std::min(kPixels, image.out_rows() - first)});
  const auto bytes = static_cast<size_t>(x.width) * sizeof(float);
  auto* sums = reinterpret_cast<float*>(c.rows.reserve(pieces.size() * bytes));
  const auto sum_of = [&](size_t piece) { return sums + static_cast<int64_t>(piece) * x.width; };
  c.pool.for_each(static_cast<int64_t>(pieces.size()), [&](int64_t index, int) {
    const Piece& piece = pieces[static_cast<size_t>(index)];
    float* sum = sum_of(static_cast<size_t>(index));
    const float* from = x.at<float>(images[piece.image].first + piece.first);
    std::memcpy(sum, from, bytes);
    for (int64_t i = 1; i < piece.count; ++i) c.kernels.add(sum, from + i * x.width, x.width, sum);
  });
  for (size_t i = 0; i < pieces.size(); ++i) {
    float* to = y.at<float>(static_cast<int64_t>(pieces[i].image));
    if (pieces[i].first == 0)
      std::memcpy(to, sum_of(i), bytes);
    else
      c.kernels.add(to, sum_of(i), x.width, to);
  }
  for (const GridImage& image : images) {
    float* to = y.at<float>(static_cast<int64_t>(image.index));
    c.kernels.scale(to, 1.0f / static_cast<float>(image.out_rows()), x.width, to);
  }
}

void run_scale_images(CpuContext& c, const Dispatch& d) {
  const Tensor x = d.in[0], gain = d.in[2], y = d.out[0];
  auto images = grid_images(d.in[1], x.rows, 1, 1);
  const auto tasks = row_tasks(images, std::max<int64_t>(16384 / x.width, 1));
  c.pool.for_each(static_cast<int64_t>(tasks.size()), [&](int64_t index, int) {
    const GridTask& task = tasks[static_cast<size_t>(index)];
    const float* factors = gain.at<float>(static_cast<int64_t>(task.image->index));
    for (int64_t r = task.out_row(0), last = r + task.width; r < last; ++r)
      c.kernels.multiply(x.at<float>(r), factors, x.width, y.at<float>(r));
  });
}

void run_spread(CpuContext& c, const Dispatch& d) {
  const Tensor x = d.in[0], y = d.out[0];
  const int64_t factor = d.attrs->factor, part = d.attrs->whole ? 0 : y.width;
  const auto images = grid_images(d.in[1], x.rows, 1, 1, factor);
  struct Line {
    const GridImage* image;
    int64_t y;
  };
  std::vector<Line> lines;
  for (const GridImage& image : images)
    for (int64_t oy = 0; oy < image.out_height; ++oy) lines.push_back({&image, oy});
  const auto bytes = static_cast<size_t>(y.width) * sizeof(float);
  c.pool.for_each(static_cast<int64_t>(lines.size()), [&](int64_t index, int) {
    const auto [image, oy] = lines[static_cast<size_t>(index)];
    const float* from = x.at<float>(image->first + oy / factor * image->width) + oy % factor * factor * part;
    float* to = y.at<float>(image->out_first + oy * image->out_width);
    for (int64_t ix = 0; ix < image->width; ++ix, from += x.width)
      for (int64_t j = 0; j < factor; ++j, to += y.width) {
        if (y.width == 1)
          *to = from[j * part];
        else
          std::memcpy(to, from + j * part, bytes);
      }
  });
}

void run_best_class(CpuContext& c, const Dispatch& d) {
  const Tensor x = d.in[0], y = d.out[0];
  c.for_rows(x.rows, x.width, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) c.kernels.best_class(x.at<float>(r), x.width, y.at<float>(r));
  });
}

}  // namespace afterimage
