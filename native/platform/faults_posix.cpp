#include <signal.h>
#include <sys/mman.h>
#if defined(__has_feature)  // clang
#define THREAD_SANITIZER __has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#endif
#if THREAD_SANITIZER
#include <sys/syscall.h>
#endif
#include <unistd.h>

#include <cerrno>

#include "platform/faults.h"

namespace afterimage::platform {
namespace {

Repair known_repair = nullptr;
struct sigaction before {};
uintptr_t page = 0;

// What readers see is replaced under them on purpose, which the thread sanitizer would call a race: it must not see it.
void* map_fixed(void* address, size_t bytes, int protection, int flags, int fd, off_t offset) {
#if THREAD_SANITIZER
  return reinterpret_cast<void*>(::syscall(SYS_mmap, address, bytes, protection, flags, fd, offset));
#else
  return ::mmap(address, bytes, protection, flags, fd, offset);
#endif
}

void hand_on(int signal, siginfo_t* info, void* context) {
  if (before.sa_flags & SA_SIGINFO) return before.sa_sigaction(signal, info, context);
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(signal);
  // The instruction runs again and ends the process as it would have.
  ::sigaction(signal, &before, nullptr);
}

void handle(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  if (!known_repair(reinterpret_cast<uintptr_t>(info->si_addr), true)) hand_on(signal, info, context);
  errno = error;
}

}  // namespace

void repair_lost_pages(Repair repair) {
  known_repair = repair;
  page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, &before);
}

bool put_zeros(uintptr_t, uintptr_t address, uintptr_t last) noexcept {
  const uintptr_t from = address / page * page;
  return map_fixed(reinterpret_cast<void*>(from), last - from, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                   0) != MAP_FAILED;
}

}  // namespace afterimage::platform
