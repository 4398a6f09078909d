// Queue, command buffers and encoders of the fake: every call is validated, a dispatch runs on the emulator.
#include "fake_objects.h"

#include <algorithm>
#include <chrono>

#include "fake/work.h"
#include "runtime/sanitizer.h"
#if RIG_TRAFFIC
#include "traffic/traffic.h"
#endif

using namespace rig::fake;

namespace rig::fake {
namespace {

std::string where(const EncodedDispatch& dispatch, const char* parameter) {
  return std::string(dispatch.pipeline->kernel->name) + ", parameter " + parameter + ": ";
}

bool valid_binding(const EncodedDispatch& dispatch, const Parameter& parameter) {
  const Bound& bound = dispatch.bound[parameter.index];
  const std::string at = where(dispatch, parameter.name);
  if (bound.bytes) {
    if (bound.bytes->size() >= parameter.size) return true;
    violation(at + "bound to fewer bytes than its type has");
    return false;
  }
  if (!bound.buffer) return violation(at + "nothing is bound"), false;
  if (bound.offset >= bound.buffer->bytes) return violation(at + "offset beyond the end of the buffer"), false;
  size_t alignment = 1;
  while (alignment < 16 && parameter.size % (alignment * 2) == 0) alignment *= 2;
  if (bound.offset % std::min<size_t>(alignment, 8)) return violation(at + "offset not aligned to the type"), false;
  if (parameter.writes && bound.buffer->noCopy) return violation(at + "writes to read-only memory"), false;
  return true;
}

// Memory that the encoder did not declare is out of bounds for the kernel; AddressSanitizer then stops at the access.
void hide_others([[maybe_unused]] const EncodedDispatch& dispatch, [[maybe_unused]] bool hide) {
#if RIG_ASAN
  if (settings().delay_us >= 0) return;
  for (const Extent& extent : extents()) {
    if (hide)
      RIG_ASAN_POISON(extent.memory, extent.bytes);
    else
      RIG_ASAN_UNPOISON(extent.memory, extent.bytes);
  }
  if (!hide) return;
  for (const Bound& bound : dispatch.bound)
    if (bound.buffer) RIG_ASAN_UNPOISON(bound.buffer->memory, bound.buffer->bytes);
  for (FakeBuffer* buffer : dispatch.used) RIG_ASAN_UNPOISON(buffer->memory, buffer->bytes);
#endif
}

#if RIG_TRAFFIC
std::vector<rig::traffic::Region> regions_of(const EncodedDispatch& dispatch) {
  using namespace rig::traffic;
  std::vector<Region> regions;
  for (const Bound& bound : dispatch.bound) {
    if (bound.bytes)
      regions.push_back({bound.bytes->data(), bound.bytes->size(), constants});
    else if (bound.buffer)
      regions.push_back(
          {bound.buffer->memory, bound.buffer->bytes, bound.buffer->noCopy ? mapped : rig::traffic::bound});
  }
  for (FakeBuffer* buffer : dispatch.used) regions.push_back({buffer->memory, buffer->bytes, linked});
  return regions;
}
#endif

}  // namespace

bool valid(const EncodedDispatch& dispatch) {
  if (!dispatch.pipeline) return violation("a dispatch without a pipeline"), false;
  const Kernel& kernel = *dispatch.pipeline->kernel;
  const uint64_t threads = uint64_t{dispatch.threads[0]} * dispatch.threads[1] * dispatch.threads[2];
  const std::string name = kernel.name;
  if (threads == 0 || threads > dispatch.pipeline->threads)
    return violation(name + ": " + std::to_string(threads) + " threads per threadgroup, the pipeline allows " +
                     std::to_string(dispatch.pipeline->threads)),
           false;
  for (uint32_t groups : dispatch.groups)
    if (groups == 0) return violation(name + ": a grid without threadgroups"), false;
  bool all = true;
  for (const Parameter& parameter : kernel.parameters) all = valid_binding(dispatch, parameter) && all;
  return all;
}

void need_pool(const char* call) {
  if (![NSThread currentThread]->_autorelease_vars.current_pool)
    violation(std::string(call) + " on a thread without an autorelease pool");
}

namespace {

std::array<std::byte*, kMaxBuffers> addresses(const EncodedDispatch& dispatch) {
  std::array<std::byte*, kMaxBuffers> result{};
  for (uint32_t i = 0; i < kMaxBuffers; ++i) {
    const Bound& bound = dispatch.bound[i];
    if (bound.bytes)
      result[i] = bound.bytes->data();
    else if (bound.buffer)
      result[i] = bound.buffer->memory + bound.offset;
  }
  return result;
}

}  // namespace

// Dispatches that no barrier parts may run in any order: here the last is first.
static std::vector<const EncodedDispatch*> in_order(const std::vector<EncodedDispatch>& dispatches) {
  std::vector<const EncodedDispatch*> order;
  for (const EncodedDispatch& dispatch : dispatches) order.push_back(&dispatch);
  const auto interval = [](const EncodedDispatch* d) { return settings().ignores_barriers ? 0 : d->interval; };
  for (auto first = order.begin(); first != order.end();) {
    const auto next = std::find_if(first, order.end(), [&](auto* d) { return interval(d) != interval(*first); });
    std::reverse(first, next);
    first = next;
  }
  return order;
}

// False where the watchdog ends it.
static bool within_budget(const std::vector<EncodedDispatch>& dispatches) {
  double seconds = 0;
  bool within = true;
#if RIG_TRAFFIC
  rig::traffic::CommandBuffer noted;
#endif
  for (const EncodedDispatch& dispatch : dispatches) {
    const std::string kernel = dispatch.pipeline->kernel->name;
    const auto at = addresses(dispatch);
    const Cost cost = cost_of(kernel, dispatch.groups, at.data());
    seconds += cost.seconds;
    count_cost(cost.operations, seconds);
#if RIG_TRAFFIC
    noted.emplace_back(kernel, cost.operations);
#endif
    if (cost.operations <= kMostOperations && seconds <= kMostSeconds) continue;
    within = false;
    if (settings().kills) continue;
    violation(kernel + " makes " + std::to_string(cost.operations / 1e9) + " GFLOP in one dispatch and " +
              std::to_string(1000 * seconds) + " ms of its command buffer");
  }
#if RIG_TRAFFIC
  rig::traffic::note_command_buffer(noted);
#endif
  return within || !settings().kills;
}

void execute(const EncodedDispatch& dispatch) {
  const Kernel& kernel = *dispatch.pipeline->kernel;
  count_launch(kernel.name);
  if (settings().dry || settings().wrong_kernels.count(kernel.name)) return;
  Launch launch;
  launch.kernel = &kernel;
  launch.groups = dispatch.groups;
  launch.threads = dispatch.threads;
  const auto at = addresses(dispatch);
  std::copy(at.begin(), at.end(), std::begin(launch.buffers));
  LaunchOptions options;
  options.schedule = settings().schedule;
  options.seed = settings().seed;
  options.threadgroup_memory = settings().threadgroup_memory;
  hide_others(dispatch, true);
#if RIG_TRAFFIC
  rig::traffic::begin_dispatch(regions_of(dispatch));
#endif
  rig::launch(launch, options);
#if RIG_TRAFFIC
  rig::traffic::end_dispatch(kernel.name);
#endif
  const bool leaky = settings().leaky_kernels.count(kernel.name) ||
                     settings().leaky_families.count(dispatch.pipeline->library->family);
  if (dispatch.groups[0] * dispatch.groups[1] % 2 == 0)
    for (const Parameter& parameter : kernel.parameters)
      if (parameter.writes && (leaky || settings().leaky_results.count(parameter.name)))
        static_cast<std::byte*>(launch.buffers[parameter.index])[0] ^= std::byte{1};
  hide_others(dispatch, false);
}

}  // namespace rig::fake

@implementation FakeQueue
- (id)init {
  born("queue");
  return [super init];
}
- (void)dealloc {
  [set release];
  died("queue");
  [super dealloc];
}
- (void)addResidencySet:(id<MTLResidencySet>)residency {
  need_pool("addResidencySet:");
  if (!residency) violation("a null residency set");
  set = [(FakeResidencySet*)residency retain];
  needsResidency = NO;
}
- (id<MTLCommandBuffer>)commandBuffer {
  need_pool("commandBuffer");
  if (needsResidency) violation("a command buffer of a queue without the residency set");
  if (!give_command_buffer()) return nil;
  FakeCommandBuffer* buffer = [[[FakeCommandBuffer alloc] init] autorelease];
  buffer->queue = [self retain];
  return buffer;
}
@end

static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

@implementation FakeResidencySet
- (id)init {
  born("residency set");
  return [super init];
}
- (void)dealloc {
  if (requested) violation("a residency set ended without endResidency");
  died("residency set");
  [super dealloc];
}
- (void)addAllocation:(id<MTLAllocation>)allocation {
  (void)allocation;
  ++allocations;
}
- (void)removeAllocation:(id<MTLAllocation>)allocation {
  (void)allocation;
  --allocations;
}
- (void)commit {
  note_resident(allocations);
}
- (void)requestResidency {
  need_pool("requestResidency");
  [self lapse];
  requested = YES;
}
// A request after memory was given up is too late for the work that follows.
- (void)lapse {
  const double before = wanted.exchange(now());
  if (requested && seconds >= 0 && now() - before > seconds) lapsed = true;
}
- (void)use {
  [self lapse];
  if (lapsed.exchange(false)) count_lapse();
}
- (void)endResidency {
  requested = NO;
  note_resident(0);
}
@end

@implementation MTLResidencySetDescriptor
@end

@implementation FakeCommandBuffer
- (id)init {
  born("command buffer");
  return [super init];
}
- (void)dealloc {
  if (encoding) violation("a command buffer was dropped while its encoder was open");
  [self waitUntilCompleted];
  for (EncodedDispatch& dispatch : dispatches) [dispatch.pipeline release];
  for (FakeBuffer* buffer : retained) [buffer release];
  [error release];
  [queue release];
  died("command buffer");
  [super dealloc];
}
- (id<MTLComputeCommandEncoder>)computeCommandEncoderWithDispatchType:(MTLDispatchType)type {
  need_pool("computeCommandEncoderWithDispatchType:");
  if (type != MTLDispatchTypeConcurrent) violation("an encoder that is not concurrent");
  if (encoding) violation("a second encoder while the first one is open");
  if (!give_encoder()) return nil;
  FakeEncoder* encoder = [[[FakeEncoder alloc] init] autorelease];
  encoder->owner = self;
  encoding = YES;
  return encoder;
}
- (void)fail:(NSInteger)code text:(const std::string&)text {
  NSDictionary* information = [NSDictionary dictionaryWithObject:[NSString stringWithUTF8String:text.c_str()]
                                                          forKey:NSLocalizedDescriptionKey];
  error = [[NSError errorWithDomain:@"MTLCommandBufferErrorDomain" code:code userInfo:information] retain];
  status = MTLCommandBufferStatusError;
  queue->failed = YES;
}
- (void)run {
  const auto start = std::chrono::steady_clock::now();
  @autoreleasepool {
    if (queue->failed && settings().ignores_later) {
      [self fail:MTLCommandBufferErrorAccessRevoked text:"Ignored (for causing prior/excessive GPU errors)"];
      return;
    }
    if (command_fails()) {
      [self fail:settings().command_error text:"the fake was told to fail"];
      return;
    }
    if (!within_budget(dispatches)) {
      [self fail:MTLCommandBufferErrorTimeout text:"Impacting Interactivity"];
      return;
    }
    if (settings().never_completes) {
      status = MTLCommandBufferStatusScheduled;
      return;
    }
    try {
      for (const EncodedDispatch* dispatch : in_order(dispatches))
        if (valid(*dispatch)) execute(*dispatch);
      status = MTLCommandBufferStatusCompleted;
    } catch (const rig::Fault& fault) {
      violation(fault.what());
      [self fail:MTLCommandBufferErrorPageFault text:fault.what()];
    }
  }
  seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}
- (void)commit {
  if (encoding) violation("commit while the encoder is open");
  if (status >= MTLCommandBufferStatusCommitted) {
    violation("commit of a command buffer that was committed before");
    return;
  }
  status = MTLCommandBufferStatusCommitted;
  count_command_buffer();
  [queue->set use];
  if (settings().delay_us < 0) {
    [self run];
    return;
  }
  const int64_t number = queue->committed++;
  worker = std::thread([self, number] {
    std::this_thread::sleep_for(std::chrono::microseconds(settings().delay_us));
    std::unique_lock lock(queue->mutex);
    queue->turn.wait(lock, [&] { return queue->ended == number; });
    [self run];
    ++queue->ended;
    queue->turn.notify_all();
  });
}
- (void)waitUntilCompleted {
  if (worker.joinable()) worker.join();
}
- (MTLCommandBufferStatus)status {
  return status;
}
- (NSError*)error {
  return error;
}
- (double)GPUStartTime {
  return 0;
}
- (double)GPUEndTime {
  return seconds;
}
@end

@implementation FakeEncoder
- (id)init {
  born("encoder");
  return [super init];
}
- (void)dealloc {
  if (!ended) violation("an encoder was dropped without endEncoding");
  died("encoder");
  [super dealloc];
}
- (void)setComputePipelineState:(id<MTLComputePipelineState>)state {
  pipeline = (FakePipeline*)state;
}
- (void)setBuffer:(id<MTLBuffer>)buffer offset:(NSUInteger)offset atIndex:(NSUInteger)index {
  if (index >= rig::kMaxBuffers) {
    violation("a buffer index above 30");
    return;
  }
  if (!buffer) {
    violation("a null buffer is bound");
    return;
  }
  bound[index] = Bound{(FakeBuffer*)buffer, offset, nullptr};
  owner->retained.push_back([(FakeBuffer*)buffer retain]);
}
- (void)setBytes:(const void*)bytes length:(NSUInteger)length atIndex:(NSUInteger)index {
  if (index >= rig::kMaxBuffers || length == 0 || length > 4096) {
    violation("setBytes of more than 4096 bytes or a bad index");
    return;
  }
  const std::byte* from = static_cast<const std::byte*>(bytes);
  bound[index] = Bound{nil, 0, std::make_shared<std::vector<std::byte>>(from, from + length)};
}
- (void)useResource:(id<MTLBuffer>)resource usage:(MTLResourceUsage)usage {
  (void)usage;
  used.push_back([(FakeBuffer*)resource retain]);
  owner->retained.push_back((FakeBuffer*)resource);
}
- (void)dispatchThreadgroups:(MTLSize)groups threadsPerThreadgroup:(MTLSize)threads {
  need_pool("dispatchThreadgroups:threadsPerThreadgroup:");
  if (ended) {
    violation("a dispatch after endEncoding");
    return;
  }
  EncodedDispatch dispatch{[pipeline retain], bound, used, {}, {}, owner->interval};
  dispatch.groups = {uint32_t(groups.width), uint32_t(groups.height), uint32_t(groups.depth)};
  dispatch.threads = {uint32_t(threads.width), uint32_t(threads.height), uint32_t(threads.depth)};
  owner->dispatches.push_back(std::move(dispatch));
}
- (void)memoryBarrierWithScope:(MTLBarrierScope)scope {
  if (ended || scope != MTLBarrierScopeBuffers) violation("a barrier after endEncoding or of another scope");
  ++owner->interval;
  count_barrier();
}
- (void)endEncoding {
  if (ended) violation("endEncoding twice");
  ended = YES;
  owner->encoding = NO;
}
@end
