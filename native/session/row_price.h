// What one more row costs a run of few rows, from the runs so far: time = run + row · rows, by least squares over the
// last hundred or so. Which rows are run never changes what they yield, so it may be measured.
#pragma once
#include <algorithm>
#include <cstdint>

namespace afterimage {

class RowPrice {
 public:
  // A run of `rows` rows took so long.
  void saw(int64_t rows, double ms) noexcept {
    if (ms <= 0) return;
    const double x = static_cast<double>(rows), expected = weight_ > 0 ? base() + row() * x : ms;
    const double y = std::min(ms, kSurprise * expected);  // the machine was busy with something else
    for (double* sum : {&weight_, &x_, &xx_, &y_, &xy_}) *sum *= kMemory;
    weight_ += 1, x_ += x, xx_ += x * x, y_ += y, xy_ += x * y;
  }
  // Of one more row, in runs of `rows` rows.
  double in_runs_of(int64_t rows) const noexcept {
    const double share = this->share();
    return share / (1 - share + share * static_cast<double>(rows));
  }

 private:
  static constexpr double kMemory = 0.99, kSurprise = 3;
  // A row's share of a run of one row, before runs of different lengths were seen; so much deviation in rows outweighs.
  static constexpr double kExpected = 0.3, kDoubt = 40;

  // Between what was expected and what was seen.
  double share() const noexcept {
    const double spread = weight_ > 0 ? xx_ - x_ * x_ / weight_ : 0;
    if (spread <= 0) return kExpected;
    const double slope = (xy_ - x_ * y_ / weight_) / spread, one = (y_ - slope * (x_ - weight_)) / weight_;
    const double seen = one > 0 ? std::clamp(slope / one, 0.005, 0.95) : 0.95;
    return (spread * seen + kDoubt * kExpected) / (spread + kDoubt);
  }
  double one() const noexcept { return y_ / (weight_ * (1 - share()) + share() * x_); }
  double row() const noexcept { return one() * share(); }
  double base() const noexcept { return one() - row(); }

  double weight_ = 0, x_ = 0, xx_ = 0, y_ = 0, xy_ = 0;
};

}  // namespace afterimage
