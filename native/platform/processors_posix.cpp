#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include "platform/processors.h"

namespace afterimage {
namespace {

int logical_processors() { return std::max(1u, std::thread::hardware_concurrency()); }

#if defined(__linux__)
// Processors of one core share the line of siblings ("0,4" or "0-1"); without it each counts as a core.
std::string siblings_of(int processor) {
  std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(processor) + "/topology/thread_siblings_list");
  std::string line;
  return std::getline(file, line) ? line : "cpu " + std::to_string(processor);
}

// The cgroup's share of time in whole processors; 0 where there is no limit.
int quota_processors() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return std::max(1, static_cast<int>(std::stod(quota) / period + 0.5));
}
#endif

}  // namespace

int physical_cores() {
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return logical_processors();
  std::set<std::string> cores;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor)
    if (CPU_ISSET(processor, &allowed)) cores.insert(siblings_of(processor));
  const int count = std::max(1, static_cast<int>(cores.size())), quota = quota_processors();
  return quota > 0 ? std::min(count, quota) : count;
#elif defined(__APPLE__)
  // Performance cores only: an efficiency core would hold up the last tasks of every loop.
  int count = 0;
  size_t size = sizeof count;
  for (const char* name : {"hw.perflevel0.physicalcpu", "hw.physicalcpu"})
    if (sysctlbyname(name, &count, &size, nullptr, 0) == 0 && count > 0) return count;
  return logical_processors();
#else
  return logical_processors();
#endif
}

}  // namespace afterimage
