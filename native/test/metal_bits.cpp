// A row's bits never depend on the other rows of a run, at two extents: the cases that a Mac runs as its self-test.
#include <set>

#include "metal/kernel_cases.h"
#include "metal/rig/fake/fake_metal.h"
#include "metal_runs.h"

using namespace metal_test;

int main() {
  {
    const auto backend = open_alone();
    for (const int size : {64, 200}) {
      const int sizes[] = {size};
      std::set<std::string> done;
      for (const KernelCase& one : invariance_cases(sizes)) {
        if (!done.insert(one.name).second) continue;
        const Tested tested(one.kernel);
        const float differing = one.run(*backend).front();
        expect(differing == 0, one.name + ": " + std::to_string(differing) + " differ");
      }
      expect(done.size() > 50, "cases of every layout");
    }
  }
  for (const std::string& text : rig::fake::violations()) expect(false, "violation: " + text);
  return metal_test::finish("metal_bits");
}
