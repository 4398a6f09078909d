// The fake's classes as they know each other.
#pragma once
#import <Metal/Metal.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "fake_state.h"

@interface FakeBuffer : NSObject <MTLBuffer> {
 @public
  std::byte* memory;
  size_t bytes;
  BOOL noCopy;
}
- (id)initWithLength:(size_t)length;
- (id)initWithMemory:(void*)address length:(size_t)length;
@end

@interface FakeFunction : NSObject <MTLFunction> {
 @public
  const rig::Library* library;
  const rig::Kernel* kernel;
}
@end

@interface FakeLibrary : NSObject <MTLLibrary> {
 @public
  const rig::Library* library;
}
@end

@interface FakePipeline : NSObject <MTLComputePipelineState> {
 @public
  const rig::Library* library;
  const rig::Kernel* kernel;
  uint32_t threads;
}
@end

namespace rig::fake {

// A binding as the encoder holds it: a retained buffer, or bytes.
struct Bound {
  FakeBuffer* buffer = nil;
  size_t offset = 0;
  std::shared_ptr<std::vector<std::byte>> bytes;
};

struct EncodedDispatch {
  FakePipeline* pipeline;
  std::array<Bound, kMaxBuffers> bound;
  std::vector<FakeBuffer*> used;
  std::array<uint32_t, 3> groups, threads;
  uint32_t interval;  // between two barriers of one encoder
};

// Checks what the validation layer checks; false where the dispatch must not run.
bool valid(const EncodedDispatch& dispatch);
// Throws rig::Fault.
void execute(const EncodedDispatch& dispatch);
// Every call into Metal may put something aside: the thread needs a pool, or it is kept until the process ends.
void need_pool(const char* call);

}  // namespace rig::fake

@interface FakeResidencySet : NSObject <MTLResidencySet> {
 @public
  int64_t allocations;
  std::atomic<BOOL> requested;
  std::atomic<double> wanted;  // when it was asked for or used last, in seconds
  std::atomic<bool> lapsed;
  double seconds;  // of the settings, when it was made
}
- (void)lapse;
- (void)use;
@end

@interface FakeQueue : NSObject <MTLCommandQueue> {
 @public
  BOOL failed;
  FakeResidencySet* set;
  BOOL needsResidency;  // its device gave a residency set, and the queue has not got it yet
  // Command buffers run one after the other, as they were committed.
  std::mutex mutex;
  std::condition_variable turn;
  int64_t committed, ended;
}
@end

@interface FakeCommandBuffer : NSObject <MTLCommandBuffer> {
 @public
  FakeQueue* queue;
  std::vector<rig::fake::EncodedDispatch> dispatches;
  std::vector<FakeBuffer*> retained;
  std::thread worker;
  MTLCommandBufferStatus status;
  NSError* error;
  double seconds;
  uint32_t interval;
  BOOL encoding;
}
@end

@interface FakeEncoder : NSObject <MTLComputeCommandEncoder> {
 @public
  FakeCommandBuffer* owner;
  FakePipeline* pipeline;
  std::array<rig::fake::Bound, rig::kMaxBuffers> bound;
  std::vector<FakeBuffer*> used;
  BOOL ended;
}
@end
