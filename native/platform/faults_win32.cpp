// A view of a file is replaced as a whole: it goes, its addresses are reserved, and each page of them becomes zeros
// when it is read. A thread that reads in between sees an access violation, and comes here too.
#include <atomic>

#include "platform/faults.h"
#include "platform/win32.h"

namespace afterimage::platform {
namespace {

Repair known_repair = nullptr;
std::atomic_flag replacing;  // no lock of the system's: a fault may happen while one is held

constexpr DWORD kPageUnreadable = 0xC0000006;  // STATUS_IN_PAGE_ERROR
constexpr uintptr_t kGranule = 65536;

LONG CALLBACK handle(EXCEPTION_POINTERS* fault) {
  const EXCEPTION_RECORD& record = *fault->ExceptionRecord;
  const bool lost = record.ExceptionCode == kPageUnreadable;
  if ((!lost && record.ExceptionCode != EXCEPTION_ACCESS_VIOLATION) || record.NumberParameters < 2)
    return EXCEPTION_CONTINUE_SEARCH;
  constexpr ULONG_PTR kRead = 0;
  if (record.ExceptionInformation[0] != kRead) return EXCEPTION_CONTINUE_SEARCH;
  const DWORD error = ::GetLastError();
  const bool repaired = known_repair(record.ExceptionInformation[1], lost);
  ::SetLastError(error);
  return repaired ? EXCEPTION_CONTINUE_EXECUTION : EXCEPTION_CONTINUE_SEARCH;
}

bool make_readable(uintptr_t first, uintptr_t address, uintptr_t last) {
  const auto whole = reinterpret_cast<void*>(first);
  MEMORY_BASIC_INFORMATION there;
  if (!::VirtualQuery(reinterpret_cast<void*>(address), &there, sizeof there)) return false;
  if (there.Type == MEM_MAPPED &&
      !(::UnmapViewOfFile(whole) && ::VirtualAlloc(whole, last - first, MEM_RESERVE, PAGE_READONLY)))
    return false;
  const uintptr_t from = first + (address - first) / kGranule * kGranule;
  const uintptr_t end = last - from < kGranule ? last : from + kGranule;
  return ::VirtualAlloc(reinterpret_cast<void*>(from), end - from, MEM_COMMIT, PAGE_READONLY) != nullptr;
}

}  // namespace

void repair_lost_pages(Repair repair) {
  known_repair = repair;
  ::AddVectoredExceptionHandler(1, handle);
}

bool put_zeros(uintptr_t first, uintptr_t address, uintptr_t last) noexcept {
  while (replacing.test_and_set(std::memory_order_acquire)) ::SwitchToThread();
  const bool readable = make_readable(first, address, last);
  replacing.clear(std::memory_order_release);
  return readable;
}

}  // namespace afterimage::platform
