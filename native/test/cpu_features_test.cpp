// Which kernels a processor is given. With an argument, their name: what an emulated processor must get.
#include <set>

#include "cpu/kernels.h"
#include "cpu_fixture.h"

using namespace afterimage;
using namespace afterimage::test;

int main(int argc, char** argv) {
  std::set<std::string> names;
  for (CpuIsa isa : isas_here()) names.insert(cpu_kernels(isa).name);
  CHECK(names.size() == isas_here().size());
  const std::string best = cpu_kernels(best_cpu_isa()).name;
  CHECK(cpu_supports(best_cpu_isa()) && names.contains(best));
  CHECK(make_cpu_backend({1})->identity() == "cpu " + best + ", 1 thread");
  if (argc > 1) check(best == argv[1], best + " was chosen, not " + argv[1], __FILE__, __LINE__);
  return finish();
}
