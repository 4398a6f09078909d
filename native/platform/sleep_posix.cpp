#include "platform/sleep.h"

namespace afterimage::platform {

void sleep_while(const std::atomic<uint32_t>& number, uint32_t old) noexcept { number.wait(old); }
void wake_all(std::atomic<uint32_t>& number) noexcept { number.notify_all(); }

}  // namespace afterimage::platform
