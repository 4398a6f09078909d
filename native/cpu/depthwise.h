// The depthwise stage of DepthwiseConvolution and SeparableConvolution.
#pragma once
#include "cpu/cpu_context.h"
#include "cpu/image_grid.h"

namespace afterimage {

struct DepthwiseStage {
  const float* weights;
  Settling settling;
};

// The task's output pixels, one every `stride` floats of `out`, its rows `row_stride` floats apart. The window is that
// of the dispatch's attributes.
void run_depthwise(const CpuContext& c, const Dispatch& d, const Tensor& x, const GridTask& task,
                   const DepthwiseStage& stage, float* out, int64_t stride, int64_t row_stride);

}  // namespace afterimage
