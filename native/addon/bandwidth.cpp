#include "addon/bandwidth.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace afterimage::addon {

namespace {

constexpr size_t kWords = (size_t{1} << 30) / sizeof(uint64_t);
constexpr int kPasses = 3;

// Eight independent sums, so that the reader waits for memory and not for the adder.
uint64_t read_all(const uint64_t* begin, const uint64_t* end) {
  uint64_t sums[8] = {};
  for (const uint64_t* at = begin; at + 8 <= end; at += 8) {
    for (int i = 0; i < 8; i++) sums[i] += at[i];
  }
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

}  // namespace

double memory_bandwidth(int threads) {
  const int count = std::max(1, threads);
  const std::vector<uint64_t> words(kWords, 1);
  std::atomic<uint64_t> sink{0};
  double best = 0;
  for (int pass = 0; pass < kPasses; pass++) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> readers;
    for (int i = 0; i < count; i++) {
      readers.emplace_back([&, i] {
        const size_t share = kWords / static_cast<size_t>(count);
        sink += read_all(words.data() + share * static_cast<size_t>(i), words.data() + share * static_cast<size_t>(i + 1));
      });
    }
    for (std::thread& reader : readers) reader.join();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(kWords * sizeof(uint64_t)) / 1e9 / seconds.count());
  }
  return sink > 0 ? best : 0;
}

}  // namespace afterimage::addon
