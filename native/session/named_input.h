// An input of the vision program as the caller hands it over.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "graph/tensor.h"

namespace afterimage {

// Row-major elements of 4 bytes. They stay where the caller has them: a large image is hundreds of megabytes.
struct NamedInput {
  std::string name;
  DType dtype = DType::f32;
  int64_t rows = 0, width = 0;
  std::span<const std::byte> data;
  std::shared_ptr<const void> owner;  // keeps `data`, unchanged, until the engine lets go of it on any of its threads
};

}  // namespace afterimage
