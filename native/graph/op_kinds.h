// Attributes whose values kernels know by name, as one text for the host and for Metal.
#pragma once
#ifndef __METAL_VERSION__
#include <cstdint>
#endif

namespace afterimage {

// hard_sigmoid(x) = min(max(x + 3, 0), 6) / 6; hard_swish(x) = x · hard_sigmoid(x): Howard et al. 2019.
enum class Activation : uint8_t {
  none,
  gelu,
  gelu_tanh,
  quick_gelu,
  silu,
  sigmoid,
  relu,
  tanh,
  hard_swish,
  hard_sigmoid
};
enum class Statistic : uint8_t { mean, deviation, rms, inverse_rms };

}  // namespace afterimage
