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
  int64_t out_rows() const noexcept { return out_height * out_width; }
};

// Output rows [first, first + count) of one image, counted from its beginning.
struct GridTask {
  const GridImage* image;
  int64_t first;
  int count;
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
    images.push_back({height, width, first, height / stride_y * factor, width / stride_x * factor, out_first});
    first += height * width;
    out_first += images.back().out_rows();
  }
  if (first != rows)
    throw Error("INVALID_ARGUMENT", "The sizes of images do not fit their rows; give the sizes of the rows' images.");
  return images;
}

inline std::vector<GridTask> grid_tasks(const std::vector<GridImage>& images, int most) {
  std::vector<GridTask> tasks;
  for (const GridImage& image : images) {
    const int64_t rows = image.out_rows(), pieces = (rows + most - 1) / most, even = (rows + pieces - 1) / pieces;
    for (int64_t first = 0; first < rows; first += even)
      tasks.push_back({&image, first, static_cast<int>(std::min(even, rows - first))});
  }
  return tasks;
}

// visit(oy, ox, count, done): the task's output rows as runs within one row of the image; `done` come before them.
template <class Visit>
void for_each_run(const GridTask& task, Visit visit) {
  for (int done = 0; done < task.count;) {
    const int64_t row = task.first + done, oy = row / task.image->out_width, ox = row % task.image->out_width;
    const auto count = static_cast<int>(std::min<int64_t>(task.image->out_width - ox, task.count - done));
    visit(oy, ox, count, done);
    done += count;
  }
}

}  // namespace afterimage
