// What the files of this folder that end in _win32.cpp share; nobody else includes it.
#pragma once
#include <windows.h>

#include <cstdint>
#include <string>

namespace afterimage::platform {

inline HANDLE handle_of(intptr_t value) { return reinterpret_cast<HANDLE>(value); }

// 100 ns since 1601, as the system counts.
inline uint64_t ticks_of(const FILETIME& time) { return uint64_t{time.dwHighDateTime} << 32 | time.dwLowDateTime; }

inline constexpr uint64_t kTicksBeforeEpoch = 116'444'736'000'000'000u;

// The path that calls ending in W take; longer than 260 characters too, where the system is set to allow that.
std::wstring wide(const std::string& utf8);

}  // namespace afterimage::platform
