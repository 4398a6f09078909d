#include "weights/mapped_ranges.h"

#include <signal.h>
#include <sys/mman.h>
#ifdef __SANITIZE_THREAD__
#include <sys/syscall.h>
#endif
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <mutex>

#include "graph/error.h"

namespace afterimage {
namespace {

// What readers see is replaced under them on purpose, which the thread sanitizer would call a race: it must not see it.
void* map_fixed(void* address, size_t bytes, int protection, int flags, int fd, off_t offset) {
#ifdef __SANITIZE_THREAD__
  return reinterpret_cast<void*>(::syscall(SYS_mmap, address, bytes, protection, flags, fd, offset));
#else
  return ::mmap(address, bytes, protection, flags, fd, offset);
#endif
}

}  // namespace

// Read by a signal handler: nothing in it but atomics, and no slot ever goes away.
struct MappedRange::Slot {
  std::atomic<uintptr_t> first{0}, last{0};  // no byte is in it while `last` is 0
  std::atomic<bool> damaged{false};
  bool taken = false;  // guarded by Slots::mutex
};

struct Slots {
  static constexpr size_t kMost = 4096;
  MappedRange::Slot slots[kMost];
  std::mutex mutex;
  struct sigaction before {};
  uintptr_t page = 0;

  static Slots& all() {
    static Slots* const slots = new Slots;  // handlers may run while the process ends
    return *slots;
  }

  Slots() : page(static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE))) {
    struct sigaction action {};
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigemptyset(&action.sa_mask);
    self = this;
    ::sigaction(SIGBUS, &action, &before);
  }

  // Puts zeros in place of everything from the page that cannot be read to the end of its mapping: what lies behind the
  // end of a file that was cut is gone too.
  bool replace(uintptr_t address) noexcept {
    for (MappedRange::Slot& slot : slots) {
      const uintptr_t last = slot.last.load(std::memory_order_acquire);
      if (address < slot.first.load(std::memory_order_acquire) || address >= last) continue;
      slot.damaged.store(true, std::memory_order_release);
      const uintptr_t from = address / page * page;
      return map_fixed(reinterpret_cast<void*>(from), last - from, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                       -1, 0) != MAP_FAILED;
    }
    return false;
  }

  static void handle(int signal, siginfo_t* info, void* context) {
    const int error = errno;
    if (!self->replace(reinterpret_cast<uintptr_t>(info->si_addr))) self->hand_on(signal, info, context);
    errno = error;
  }

  void hand_on(int signal, siginfo_t* info, void* context) const noexcept {
    if (before.sa_flags & SA_SIGINFO) return before.sa_sigaction(signal, info, context);
    if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(signal);
    // The instruction runs again and ends the process as it would have.
    ::sigaction(signal, &before, nullptr);
  }

  static inline Slots* self = nullptr;
};

MappedRange::MappedRange(const std::byte* data, size_t size) {
  Slots& all = Slots::all();
  const std::lock_guard lock(all.mutex);
  for (Slot& slot : all.slots) {
    if (slot.taken) continue;
    slot.taken = true;
    slot.damaged = false;
    slot.first = reinterpret_cast<uintptr_t>(data);
    slot.last = reinterpret_cast<uintptr_t>(data) + size;
    slot_ = &slot;
    return;
  }
  throw Error("IO_FAILED",
              "More than " + std::to_string(Slots::kMost) + " files are mapped; close other models first.");
}

MappedRange::~MappedRange() {
  const std::lock_guard lock(Slots::all().mutex);
  slot_->last = 0;
  slot_->first = 0;
  slot_->taken = false;
}

bool MappedRange::damaged() const noexcept { return slot_->damaged.load(std::memory_order_acquire); }

}  // namespace afterimage
