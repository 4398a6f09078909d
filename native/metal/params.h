// What every *_params.h starts with. Such a header holds the structs that the host fills and a kernel reads, once: the
// host includes it, and embed.cmake puts it into the kernel's text. Members lie side by side without padding, so that
// the place of the last one and the size fix all the others; both compilers check them.
#pragma once

#ifdef __METAL_VERSION__
namespace afterimage {
namespace metal {}
}  // namespace afterimage
using namespace afterimage::metal;
#define DEVICE_POINTER(type) device type*
#else
#include <cstdint>
// An address of the GPU's.
#define DEVICE_POINTER(type) uint64_t
#endif

#define PARAMS_LAYOUT(Struct, last_member, offset, size)                                     \
  static_assert(__builtin_offsetof(Struct, last_member) == offset && sizeof(Struct) == size, \
                "The host and the kernel must lay out " #Struct " alike.")
