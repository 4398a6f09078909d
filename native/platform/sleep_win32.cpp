#include "platform/sleep.h"
#include "platform/win32.h"

namespace afterimage::platform {

// https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-waitonaddress
void sleep_while(const std::atomic<uint32_t>& number, uint32_t old) noexcept {
  auto* address = const_cast<std::atomic<uint32_t>*>(&number);
  while (number.load() == old) ::WaitOnAddress(address, &old, sizeof old, INFINITE);
}

void wake_all(std::atomic<uint32_t>& number) noexcept { ::WakeByAddressAll(&number); }

}  // namespace afterimage::platform
