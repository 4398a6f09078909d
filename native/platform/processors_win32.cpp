#include <algorithm>
#include <cstddef>
#include <thread>
#include <vector>

#include "platform/processors.h"
#include "platform/win32.h"

namespace afterimage {
namespace {

// Higher is faster; the second byte of the record, which not every compiler's headers name.
int efficiency_class(const PROCESSOR_RELATIONSHIP& core) { return reinterpret_cast<const BYTE*>(&core)[1]; }

}  // namespace

// Of the group that this process may run on; on processors of two kinds the efficient ones would hold up the last tasks
// of every loop, and are left out.
int physical_cores() {
  DWORD_PTR allowed = 0, all = 0;
  DWORD size = 0;
  ::GetProcessAffinityMask(::GetCurrentProcess(), &allowed, &all);
  ::GetLogicalProcessorInformationEx(RelationProcessorCore, nullptr, &size);
  std::vector<std::byte> bytes(size);
  auto* const first = reinterpret_cast<SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX*>(bytes.data());
  if (size == 0 || !::GetLogicalProcessorInformationEx(RelationProcessorCore, first, &size))
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  int best = 0, cores = 0;
  for (DWORD at = 0; at < size;) {
    const auto& entry = *reinterpret_cast<SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX*>(bytes.data() + at);
    at += entry.Size;
    if ((entry.Processor.GroupMask[0].Mask & allowed) == 0) continue;
    const int speed = efficiency_class(entry.Processor);
    if (speed > best) {
      best = speed;
      cores = 0;
    }
    cores += speed == best;
  }
  return std::max(1, cores);
}

}  // namespace afterimage
