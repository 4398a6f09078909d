#include <numeric>

#include "graph/error.h"
#include "graph/program.h"

namespace afterimage {

int64_t RowCount::resolve(const std::map<std::string, int64_t>& counts) const {
  if (symbol.empty()) return mul;
  const auto found = counts.find(symbol);
  if (found == counts.end())
    throw Error("INVALID_ARGUMENT", "The count of \"" + symbol + "\" is not given; bind an input that has it.");
  const int64_t count = found->second;
  if (count < 0 || count > INT32_MAX || count * mul % div != 0 || count * mul / div > INT32_MAX) {
    throw Error("INVALID_ARGUMENT", "Expected a count of \"" + symbol + "\" that makes " + text() +
                                        " a whole number of rows but received " + std::to_string(count) + ".");
  }
  return count * mul / div;
}

RowCount RowCount::multiplied(int64_t factor) const {
  const int64_t divisor = std::gcd(mul * factor, div);
  return {symbol, mul * factor / divisor, div / divisor};
}

RowCount RowCount::divided(int64_t factor) const {
  const int64_t divisor = std::gcd(mul, div * factor);
  return {symbol, mul / divisor, div * factor / divisor};
}

std::string RowCount::text() const {
  const std::string fraction = div == 1 ? "" : "/" + std::to_string(div);
  if (symbol.empty()) return std::to_string(mul) + fraction;
  return symbol + (mul == 1 ? "" : "·" + std::to_string(mul)) + fraction;
}

}  // namespace afterimage
