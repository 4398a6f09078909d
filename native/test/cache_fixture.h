// Memory without kernels, and prompts made of runs, for tests of the cache alone.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cache/prefix_tree.h"
#include "graph/error.h"
#include "platform/files.h"

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      std::fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                 \
    }                                                                               \
  } while (0)

namespace afterimage::test {

class TempFolder {
 public:
  TempFolder() {
    static std::atomic<int> serial{0};
    const std::string name = std::to_string(platform::process_id()) + "-" + std::to_string(serial++);
    const auto path = std::filesystem::temp_directory_path() / ("afterimage-test-" + name);
    std::filesystem::remove_all(path);  // left by an earlier process of the same id
    if (!std::filesystem::create_directory(path)) std::abort();
    path_ = path.string();
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class HostBackend : public Backend {
 public:
  struct Bytes : Memory {
    Bytes(size_t size, int& live) : data(size, 0x5a), live_(live) { ++live_; }
    ~Bytes() override { --live_; }
    void* host() noexcept override { return data.data(); }
    size_t bytes() const noexcept override { return data.size(); }
    std::vector<unsigned char> data;
    int& live_;
  };
  std::string identity() const override { return "memory only"; }
  std::unique_ptr<Memory> allocate(size_t bytes) override { return std::make_unique<Bytes>(bytes, live); }
  std::unique_ptr<Weight> prepare(const WeightSource&, uint32_t, Precision) override { return nullptr; }
  void run(std::span<const Dispatch>, const std::atomic<bool>&) override {}
  int live = 0;
};

// `length` tokens of one id; image 0 is text, others are spans with a marker at both ends.
struct Stretch {
  int32_t length, id;
  uint8_t image;
};

inline Prompt prompt(const std::vector<Stretch>& stretches) {
  Prompt p;
  for (const Stretch& stretch : stretches) {
    const auto start = static_cast<int32_t>(p.ids.size());
    for (int32_t i = 0; i < stretch.length; ++i) {
      const bool marker = i == 0 || i + 1 == stretch.length;
      p.position_ids.push_back(static_cast<int32_t>(p.ids.size()));
      p.ids.push_back(stretch.id);
      p.feature_index.push_back(stretch.image == 0 || marker ? -1 : i - 1);
    }
    if (stretch.image == 0) continue;
    ImageKey key{};
    key[0] = stretch.image;
    p.spans.push_back({start, start + stretch.length, key, {}});
  }
  return p;
}

}  // namespace afterimage::test
