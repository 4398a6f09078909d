// What more rows cost a run of few rows, from the runs so far: time = run + row · rows, by least squares over what runs
// of each number of rows take at their best, since a busy machine only ever adds to it; and what runs of a number of
// rows, and those of a row more or less, took beside that line, since kernels take several rows at a time. Which rows
// are run never changes what they yield, so it may be measured.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

namespace afterimage {

class RowPrice {
 public:
  static constexpr int64_t kMostRows = 16;
  // [n]: of n + 1 more rows, in runs without them.
  using OfMore = std::array<double, kMostRows>;

  // A run of `rows` rows took so long.
  void saw(int64_t rows, double ms) noexcept {
    if (rows < 1 || rows > kMostRows || ms <= 0) return;
    for (Seen& seen : seen_) seen.weight *= kMemory;
    Seen& seen = seen_[static_cast<size_t>(rows - 1)];
    if (seen.weight < kForgotten) seen.ms = ms;
    const double surprise = std::min(ms, kSurprise * seen.ms) - seen.ms;
    seen.ms += (surprise < 0 ? kDown : kUp) * surprise;
    seen.weight += 1;
  }
  // A guess of the model's own head took so long.
  void saw_guess(double ms) noexcept {
    if (ms <= 0) return;
    if (guess_ms_ == 0) guess_ms_ = ms;
    const double surprise = std::min(ms, kSurprise * guess_ms_) - guess_ms_;
    guess_ms_ += (surprise < 0 ? kDown : kUp) * surprise;
  }
  // Of such a guess, in runs of `rows` rows.
  double guess_in_runs_of(int64_t rows) const noexcept {
    const auto [one, share] = fit();
    if (guess_ms_ == 0 || one <= 0) return kGuess;
    return guess_ms_ / (one * (1 + share * static_cast<double>(rows - 1)));
  }
  // Of one more row, as part of a run of `rows` rows, by the line alone.
  double in_runs_of(int64_t rows) const noexcept { return fit().share / fit().line(rows); }
  OfMore more_in_runs_of(int64_t rows) const noexcept {
    const Fit line = fit();
    OfMore more{};
    double dearest = 0;  // no row is for nothing
    for (int64_t n = 0; n < kMostRows; ++n) {
      dearest = std::max(dearest + kLeast / line.line(rows), took(line, rows + n + 1) / took(line, rows) - 1);
      more[static_cast<size_t>(n)] = dearest;
    }
    return more;
  }

 private:
  struct Seen {
    double ms = 0, weight = 0;
  };
  // About the last hundred runs; what was not seen among the last five hundred is forgotten.
  static constexpr double kMemory = 0.99, kForgotten = 0.006;
  static constexpr double kSurprise = 2, kDown = 0.3, kUp = 0.03;
  // A row's share of a run of one row, before runs of different lengths were seen; so much deviation in rows outweighs.
  static constexpr double kExpected = 0.17, kDoubt = 300;
  static constexpr double kLeast = 0.01, kMost = 0.6;
  // What runs of a row more or less count for; so many runs outweigh that a number of rows takes what the line says.
  static constexpr double kBeside = 0.25, kStraight = 3;
  static constexpr double kGuess = 0.2;  // of a guess, before one was seen

  struct Fit {
    double one, share;  // what a run of one row takes, 0 where none was seen; of it, what each further row adds
    double line(int64_t rows) const noexcept { return 1 + share * static_cast<double>(rows - 1); }
  };
  // A run of so many rows, in runs of one.
  double took(const Fit& fit, int64_t rows) const noexcept {
    double beside = 0, weight = kStraight;
    if (fit.one > 0)
      for (int64_t near = std::max<int64_t>(1, rows - 1); near <= std::min(kMostRows, rows + 1); ++near) {
        const auto [ms, seen] = seen_[static_cast<size_t>(near - 1)];
        const double counts = near == rows ? seen : kBeside * seen;
        beside += counts * (ms / fit.one - fit.line(near));
        weight += counts;
      }
    return std::max(kLeast, fit.line(rows) + beside / weight);
  }
  // Between what was expected and what was seen.
  Fit fit() const noexcept {
    double weight = 0, x = 0, y = 0, xx = 0, xy = 0;
    for (size_t i = 0; i < seen_.size(); ++i) {
      const auto [ms, w] = seen_[i];
      const auto more = static_cast<double>(i);  // rows beyond the first
      weight += w, x += w * more, y += w * ms, xx += w * more * more, xy += w * more * ms;
    }
    const double spread = weight > 0 ? xx - x * x / weight : 0;
    if (spread <= 0) return {weight > 0 ? y / weight : 0, kExpected};
    const double slope = (xy - x * y / weight) / spread, one = (y - slope * x) / weight;
    const double seen = one > 0 ? std::clamp(slope / one, kLeast, kMost) : kMost;
    return {std::max(one, 0.0), (spread * seen + kDoubt * kExpected) / (spread + kDoubt)};
  }

  std::array<Seen, kMostRows> seen_;
  double guess_ms_ = 0;
};

}  // namespace afterimage
