// An input of the vision program as the caller hands it over.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "graph/tensor.h"

namespace afterimage {

// Row-major elements of 4 bytes.
struct NamedInput {
  std::string name;
  DType dtype = DType::f32;
  int64_t rows = 0, width = 0;
  std::vector<std::byte> data;
};

}  // namespace afterimage
