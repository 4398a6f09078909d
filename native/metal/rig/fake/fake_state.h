// What the fake's classes share: bookkeeping behind one lock.
#pragma once
#include "fake_metal.h"

namespace rig::fake {

void born(const char* kind);
void died(const char* kind);
void violation(const std::string& text);
void count_launch(const std::string& kernel);
void count_command_buffer();
void count_library();
void count_barrier();
void count_lapse();
void note_resident(int64_t buffers);
// False where the allocation is to fail or exceeds the limits.
bool admit(size_t bytes, bool no_copy);
void release_bytes(size_t bytes);
// True where this command buffer is to fail.
bool command_fails();
// False where this queue, command buffer, encoder is to be refused.
bool give_queue();
bool give_command_buffer();
bool give_encoder();
// Notes what one dispatch and one command buffer cost.
void count_cost(double operations, double seconds);

// Every live buffer, so that a dispatch can hide those it may not touch.
struct Extent {
  const void* memory;
  size_t bytes;
};
void add_extent(const void* memory, size_t bytes);
void remove_extent(const void* memory, size_t bytes);
std::vector<Extent> extents();

}  // namespace rig::fake
