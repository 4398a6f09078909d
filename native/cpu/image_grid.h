// The images of an operator: where each begins among the rows of x and of y, and how output rows are cut into tasks.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "graph/backend.h"
#include "graph/error.h"

namespace afterimage {

struct GridImage {
  int64_t height, width, first;              // of x
  int64_t out_height, out_width, out_first;  // of y
  size_t index;
  int64_t out_rows() const noexcept { return out_height * out_width; }
};

// A rectangle of one image's output pixels, in raster order the rows of a task.
struct GridTask {
  const GridImage* image;
  int64_t y, x;
  int height, width;
  int rows() const noexcept { return height * width; }
  int64_t out_row(int row) const noexcept {
    return image->out_first + (y + row / width) * image->out_width + x + row % width;
  }
};

// Throws INVALID_ARGUMENT where the sizes do not count the rows of x, or the strides do not divide them.
inline std::vector<GridImage> grid_images(const Tensor& sizes, int64_t rows, int64_t stride_y, int64_t stride_x,
                                          int64_t factor = 1) {
  std::vector<GridImage> images;
  int64_t first = 0, out_first = 0;
  for (int64_t i = 0; i < sizes.rows; ++i) {
    const int64_t height = sizes.at<int32_t>(i)[0], width = sizes.at<int32_t>(i)[1];
    if (height < 1 || width < 1 || height % stride_y != 0 || width % stride_x != 0 || height * width > rows - first)
      throw Error("INVALID_ARGUMENT", "The sizes of images do not fit their rows; give the sizes of the rows' images.");
    images.push_back({height, width, first, height / stride_y * factor, width / stride_x * factor, out_first,
                      static_cast<size_t>(i)});
    first += height * width;
    out_first += images.back().out_rows();
  }
  if (first != rows)
    throw Error("INVALID_ARGUMENT", "The sizes of images do not fit their rows; give the sizes of the rows' images.");
  return images;
}

// Every image cut into rectangles of at most `most` pixels that are about as high as wide: neighbours share what their
// windows see. Widths are multiples of 12, which kernels take several pixels at a time from, but for the last.
inline std::vector<GridTask> grid_tasks(const std::vector<GridImage>& images, int most) {
  constexpr int64_t kHighest = 8, kWidth = 12;
  std::vector<GridTask> tasks;
  for (const GridImage& image : images) {
    const int64_t bands = (image.out_height + kHighest - 1) / kHighest, height = (image.out_height + bands - 1) / bands;
    const int64_t width = std::max(most / height / kWidth * kWidth, kWidth);
    for (int64_t y = 0; y < image.out_height; y += height)
      for (int64_t x = 0; x < image.out_width; x += width)
        tasks.push_back({&image, y, x, static_cast<int>(std::min(height, image.out_height - y)),
                         static_cast<int>(std::min(width, image.out_width - x))});
  }
  return tasks;
}

// As above, where no pixel sees another: pieces of at most `most` rows, each a rectangle of height 1 in an image that
// is one row of pixels.
inline std::vector<GridTask> row_tasks(std::vector<GridImage>& images, int64_t most) {
  std::vector<GridTask> tasks;
  for (GridImage& image : images) {
    image.out_width *= image.out_height;
    image.out_height = 1;
    const int64_t pieces = (image.out_width + most - 1) / most, even = (image.out_width + pieces - 1) / pieces;
    for (int64_t x = 0; x < image.out_width; x += even)
      tasks.push_back({&image, 0, x, 1, static_cast<int>(std::min(even, image.out_width - x))});
  }
  return tasks;
}

// visit(oy, ox, count, done): the task's rows as runs within one row of the image; `done` come before them.
template <class Visit>
void for_each_run(const GridTask& task, Visit visit) {
  for (int row = 0; row < task.height; ++row) visit(task.y + row, task.x, task.width, row * task.width);
}

}  // namespace afterimage
