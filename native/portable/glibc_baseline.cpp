// Part of the addon in platform packages for Linux (AFTERIMAGE_PORTABLE): what newer C libraries version anew is bound
// to the names that glibc 2.28 has, for our code and for the libstdc++ inside. native/CMakeLists.txt wraps the calls;
// `npm run package` reads the versions of the result and refuses newer ones.
#include <pthread.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <cstdint>
#include <cstdlib>

#if defined(__x86_64__)
#define OLDEST "GLIBC_2.2.5"
constexpr int kStatVersion = 1;  // before glibc 2.33 the layout of struct stat was an argument
#elif defined(__aarch64__)
#define OLDEST "GLIBC_2.17"
constexpr int kStatVersion = 0;
#else
#error "Platform packages exist for x86-64 and aarch64."
#endif

/** Declares `name` of the oldest C library as old_<name>, and defines what calls of `name` become. */
#define BIND(result, name, parameters, arguments)     \
  __asm__(".symver old_" #name "," #name "@" OLDEST); \
  result old_##name parameters;                       \
  result __wrap_##name parameters { return old_##name arguments; }

#define BIND_STAT(name, old, type, what)                \
  __asm__(".symver old_" #name "," #old "@" OLDEST);    \
  int old_##name(int version, type what, void* status); \
  int __wrap_##name(type what, void* status) { return old_##name(kStatVersion, what, status); }

extern "C" {

/** Read by libstdc++ (glibc 2.32): false makes it always count references atomically. */
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;

BIND_STAT(fstat, __fxstat, int, file)
BIND_STAT(fstat64, __fxstat64, int, file)
BIND_STAT(lstat, __lxstat, const char*, path)
BIND_STAT(stat, __xstat, const char*, path)
BIND_STAT(stat64, __xstat64, const char*, path)

BIND(double, exp, (double x), (x))
BIND(double, log, (double x), (x))
BIND(double, pow, (double x, double y), (x, y))

BIND(int, pthread_create, (pthread_t * t, const pthread_attr_t* a, void* (*f)(void*), void* d), (t, a, f, d))
BIND(int, pthread_join, (pthread_t t, void** r), (t, r))
BIND(int, pthread_detach, (pthread_t t), (t))
BIND(int, pthread_once, (pthread_once_t * o, void (*f)()), (o, f))
BIND(int, pthread_key_create, (pthread_key_t * k, void (*f)(void*)), (k, f))
BIND(int, __pthread_key_create, (pthread_key_t * k, void (*f)(void*)), (k, f))
BIND(int, pthread_key_delete, (pthread_key_t k), (k))
BIND(void*, pthread_getspecific, (pthread_key_t k), (k))
BIND(int, pthread_setspecific, (pthread_key_t k, const void* v), (k, v))
BIND(int, pthread_rwlock_rdlock, (pthread_rwlock_t * l), (l))
BIND(int, pthread_rwlock_wrlock, (pthread_rwlock_t * l), (l))
BIND(int, pthread_rwlock_unlock, (pthread_rwlock_t * l), (l))

/** glibc 2.36; std::random_device asks for it. */
uint32_t __wrap_arc4random() {
  uint32_t value;
  if (getentropy(&value, sizeof value) != 0) abort();
  return value;
}
}
