// What the executor promises on the real backend: fused or tapped, in whatever tiles, a program gives the same bits, in
// both precisions.
#include "cpu/cpu_backend.h"
#include "graph_check.h"
#include "graph_random_program.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

const std::atomic<bool> kGo{false};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * 4) == 0);
}

void any_tile_and_tap(Backend& backend, uint32_t seed, Precision precision) {
  RandomProgram random(seed, 40);
  const TemporaryFile file(random.weight_file());
  Checkpoint checkpoint({file.path()});
  Executor executor(random.program, checkpoint, backend, precision, nullptr);
  std::vector<std::string> all;
  for (const Value& value : random.program.values) {
    if (value.dtype == DType::f32) all.push_back(value.name);
  }
  const std::pair<int64_t, int64_t> sizes[] = {{34, 5}, {2, 0}, {6, 33}};
  for (const auto& [r, s] : sizes) {
    const std::vector<Binding> bindings = random.bind(r, s);
    executor.set_row_tile(1000);
    const std::vector<HostTensor> expected = executor.run({bindings, nullptr, {}}, kGo);
    for (int64_t tile : {1, 7, 1000}) {
      executor.set_row_tile(tile);
      for (const std::vector<std::string>& taps : {std::vector<std::string>{}, all}) {
        const std::vector<HostTensor> results = executor.run({bindings, nullptr, taps}, kGo);
        for (size_t i = 0; i < expected.size(); ++i) {
          check(same_bits(results[i].data, expected[i].data),
                "seed " + std::to_string(seed) + ", tile " + std::to_string(tile) + ", R " + std::to_string(r) + ", " +
                    std::to_string(taps.size()) + " taps: " + expected[i].name + " differs",
                __FILE__, __LINE__);
        }
      }
    }
  }
}

}  // namespace

int main() {
  const std::unique_ptr<Backend> backend = make_cpu_backend(CpuOptions{});
  for (uint32_t seed = 1; seed <= 15; ++seed) {
    any_tile_and_tap(*backend, seed, Precision::exact);
    any_tile_and_tap(*backend, seed, Precision::fast);
  }
  return finish();
}
