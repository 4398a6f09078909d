// Time by kind of operator.
#pragma once
#include <array>

#include "graph/executor.h"
#include "graph/op_signature.h"

namespace afterimage {

class OpProfile {
 public:
  void add(Op op, double ms);
  std::vector<OpTime> times() const;           // the slowest first
  void print(const std::string& title) const;  // to stderr

 private:
  struct Sum {
    int64_t runs = 0;
    double ms = 0;
  };
  std::array<Sum, 64> sums_ = {};  // by Op
};

}  // namespace afterimage
