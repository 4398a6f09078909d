// Attributes whose values kernels know by name, as one text for the host and for Metal.
#pragma once
#ifndef __METAL_VERSION__
#include <cstdint>
#endif

namespace afterimage {

enum class Activation : uint8_t { none, gelu, gelu_tanh, quick_gelu, silu, sigmoid, relu, tanh };
enum class Statistic : uint8_t { mean, deviation, rms, inverse_rms };

}  // namespace afterimage
