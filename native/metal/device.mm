// The only file that talks to Metal. Manual retain and release (compile without ARC) and no blocks, so that the same
// text runs on Linux against rig/fake. Waiting happens on the calling thread. Every name of Apple's that it uses stands
// in rig/apple-names.ts with the system that brought it.
#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include <mutex>

#include "metal/device.h"

// rig/fake/Metal/Metal.h has its own, so that tests choose the system.
#ifndef MACOS_AT_LEAST
#define MACOS_AT_LEAST(version) @available(macOS version, *)
#endif

namespace afterimage::metal {
namespace {

constexpr NSInteger kOldestSystem = 14;  // brought Metal 3.1, whose bfloat the kernels use

std::string text_of(NSError* error, const char* otherwise) {
  NSString* description = [error localizedDescription];
  const char* text = [description UTF8String];
  return text ? text : otherwise;
}

NSString* string_of(std::string_view text) {
  return [[[NSString alloc] initWithBytes:text.data() length:text.size() encoding:NSUTF8StringEncoding] autorelease];
}

// Keeps every buffer of a device resident, where the system can do so: without it what a command buffer uses is given
// up after a second without work, and the next one waits for it. What was asked for once is given up as well, so that
// it is asked for again and again (heartbeat.h).
class Residency {
 public:
#if __MAC_OS_X_VERSION_MAX_ALLOWED >= 150000
  void open(id<MTLDevice> device) {
    if (MACOS_AT_LEAST(15.0)) {
      MTLResidencySetDescriptor* descriptor = [[[MTLResidencySetDescriptor alloc] init] autorelease];
      set_ = [device newResidencySetWithDescriptor:descriptor error:nullptr];
    }
  }
  void attach(id<MTLCommandQueue> queue) {
    if (MACOS_AT_LEAST(15.0)) {
      if (set_ && queue) [queue addResidencySet:set_];
    }
  }
  void close() {
    const std::lock_guard lock(mutex_);
    if (MACOS_AT_LEAST(15.0)) {
      [set_ endResidency];
      [set_ release];
      set_ = nil;
    }
  }
  void add(id<MTLBuffer> buffer) {
    const std::lock_guard lock(mutex_);
    if (MACOS_AT_LEAST(15.0)) {
      [set_ addAllocation:buffer];
      changed_ = true;
    }
  }
  void remove(id<MTLBuffer> buffer) {
    const std::lock_guard lock(mutex_);
    if (MACOS_AT_LEAST(15.0)) {
      [set_ removeAllocation:buffer];
      changed_ = true;
    }
  }
  // Called before work is begun: what was added and removed since is made so.
  void settle() {
    const std::lock_guard lock(mutex_);
    if (MACOS_AT_LEAST(15.0)) {
      if (!set_ || !changed_) return;
      [set_ commit];
      [set_ requestResidency];
      changed_ = false;
    }
  }
  void ask_again() {
    const std::lock_guard lock(mutex_);
    if (MACOS_AT_LEAST(15.0)) [set_ requestResidency];
  }

 private:
  id set_ = nil;  // of a type that older headers have not; nil where the system has none or refuses
  std::mutex mutex_;
  bool changed_ = false;
#else
  void open(id<MTLDevice>) {}
  void attach(id<MTLCommandQueue>) {}
  void close() {}
  void add(id<MTLBuffer>) {}
  void remove(id<MTLBuffer>) {}
  void settle() {}
  void ask_again() {}
#endif
};

class DeviceBuffer final : public Buffer {
 public:
  DeviceBuffer(id<MTLBuffer> buffer, std::shared_ptr<Residency> residency)
      : buffer_(buffer), residency_(std::move(residency)) {
    residency_->add(buffer_);
  }
  ~DeviceBuffer() override {
    @autoreleasepool {
      residency_->remove(buffer_);
      [buffer_ release];
    }
  }
  void* contents() noexcept override { return [buffer_ contents]; }
  size_t bytes() const noexcept override { return [buffer_ length]; }
  uint64_t gpu_address() const noexcept override { return [buffer_ gpuAddress]; }
  id<MTLBuffer> buffer() const noexcept { return buffer_; }

 private:
  id<MTLBuffer> buffer_;
  std::shared_ptr<Residency> residency_;  // a buffer may outlive its device
};

class DevicePipeline final : public Pipeline {
 public:
  explicit DevicePipeline(id<MTLComputePipelineState> state) : state_(state) {}
  ~DevicePipeline() override { [state_ release]; }
  uint32_t max_threads() const noexcept override {
    return static_cast<uint32_t>([state_ maxTotalThreadsPerThreadgroup]);
  }
  size_t threadgroup_memory() const noexcept override { return [state_ staticThreadgroupMemoryLength]; }
  id<MTLComputePipelineState> state() const noexcept { return state_; }

 private:
  id<MTLComputePipelineState> state_;
};

class DeviceLibrary final : public Library {
 public:
  explicit DeviceLibrary(id<MTLLibrary> library) : library_(library) {}
  ~DeviceLibrary() override { [library_ release]; }
  std::vector<std::string> kernels() const override {
    std::vector<std::string> names;
    @autoreleasepool {
      for (NSString* name in [library_ functionNames]) names.push_back([name UTF8String]);
    }
    return names;
  }
  id<MTLLibrary> library() const noexcept { return library_; }

 private:
  id<MTLLibrary> library_;
};

class DeviceCommands final : public Commands {
 public:
  explicit DeviceCommands(id<MTLCommandQueue> queue) {
    @autoreleasepool {
      buffer_ = [[queue commandBuffer] retain];
      encoder_ = [[buffer_ computeCommandEncoderWithDispatchType:MTLDispatchTypeConcurrent] retain];
    }
  }
  ~DeviceCommands() override {
    @autoreleasepool {
      if (!committed_)
        [encoder_ endEncoding];
      else if (!waited_)
        [buffer_ waitUntilCompleted];
      [encoder_ release];
      [buffer_ release];
    }
  }
  void pipeline(const Pipeline& pipeline) override {
    [encoder_ setComputePipelineState:static_cast<const DevicePipeline&>(pipeline).state()];
  }
  void bind(uint32_t index, const Buffer& buffer, size_t offset) override {
    [encoder_ setBuffer:static_cast<const DeviceBuffer&>(buffer).buffer() offset:offset atIndex:index];
  }
  void constants(uint32_t index, const void* bytes, size_t size) override {
    [encoder_ setBytes:bytes length:size atIndex:index];
  }
  void use(const Buffer& buffer) override {
    [encoder_ useResource:static_cast<const DeviceBuffer&>(buffer).buffer()
                    usage:MTLResourceUsageRead | MTLResourceUsageWrite];
  }
  void dispatch(std::array<uint32_t, 3> groups, uint32_t threads) override {
    [encoder_ dispatchThreadgroups:MTLSizeMake(groups[0], groups[1], groups[2])
             threadsPerThreadgroup:MTLSizeMake(threads, 1, 1)];
  }
  void barrier() override { [encoder_ memoryBarrierWithScope:MTLBarrierScopeBuffers]; }
  // A buffer without an encoder would complete, having done nothing.
  void commit() override {
    if (!encoder_) return;
    [encoder_ endEncoding];
    [buffer_ commit];
    committed_ = true;
  }
  Outcome wait() override;

 private:
  id<MTLCommandBuffer> buffer_ = nil;
  id<MTLComputeCommandEncoder> encoder_ = nil;
  bool committed_ = false, waited_ = false;
};

Outcome DeviceCommands::wait() {
  Outcome outcome;
  if (!committed_) {
    outcome.error = "the device gave no command buffer";
    return outcome;
  }
  @autoreleasepool {
    [buffer_ waitUntilCompleted];
    waited_ = true;
    outcome.gpu_seconds = [buffer_ GPUEndTime] - [buffer_ GPUStartTime];
    if ([buffer_ status] == MTLCommandBufferStatusCompleted) return outcome;
    NSError* error = [buffer_ error];
    outcome.error = text_of(error, "a command buffer that neither completed nor says why");
    outcome.out_of_memory = [error code] == MTLCommandBufferErrorOutOfMemory;
  }
  return outcome;
}

struct FamilyName {
  MTLGPUFamily family;
  const char* name;
};
constexpr FamilyName kFamilies[] = {
    {MTLGPUFamilyApple7, "apple7"},
    {MTLGPUFamilyApple8, "apple8"},
    {MTLGPUFamilyApple9, "apple9"},
    {MTLGPUFamilyMetal3, "metal3"},
};

class MetalDevice final : public Device {
 public:
  explicit MetalDevice(id<MTLDevice> device) : device_(device) {
    @autoreleasepool {
      residency_->open(device_);
      queue_ = [device_ newCommandQueue];
      residency_->attach(queue_);
      limits_.name = [[device_ name] UTF8String];
      limits_.system = [[[NSProcessInfo processInfo] operatingSystemVersionString] UTF8String];
      for (const FamilyName& family : kFamilies)
        if ([device_ supportsFamily:family.family]) limits_.families.push_back(family.name);
      limits_.working_set = [device_ recommendedMaxWorkingSetSize];
      limits_.max_buffer = [device_ maxBufferLength];
      limits_.threadgroup_memory = [device_ maxThreadgroupMemoryLength];
      limits_.threads = static_cast<uint32_t>([device_ maxThreadsPerThreadgroup].width);
      limits_.unified_memory = [device_ hasUnifiedMemory];
    }
  }
  ~MetalDevice() override {
    @autoreleasepool {
      residency_->close();
      [queue_ release];
      [device_ release];
    }
  }
  bool usable() const { return queue_ != nil; }
  const DeviceLimits& limits() const noexcept override { return limits_; }
  size_t allocated_bytes() const noexcept override { return [device_ currentAllocatedSize]; }

  std::unique_ptr<Buffer> allocate(size_t bytes) override {
    @autoreleasepool {
      id<MTLBuffer> buffer = [device_ newBufferWithLength:bytes options:MTLResourceStorageModeShared];
      return buffer ? std::make_unique<DeviceBuffer>(buffer, residency_) : nullptr;
    }
  }
  std::unique_ptr<Buffer> wrap(const void* memory, size_t bytes) override {
    @autoreleasepool {
      id<MTLBuffer> buffer = [device_ newBufferWithBytesNoCopy:const_cast<void*>(memory)
                                                        length:bytes
                                                       options:MTLResourceStorageModeShared
                                                   deallocator:nullptr];
      return buffer ? std::make_unique<DeviceBuffer>(buffer, residency_) : nullptr;
    }
  }
  std::unique_ptr<Library> compile(std::string_view text, std::string& error) override;
  std::unique_ptr<Pipeline> pipeline(Library& library, const std::string& kernel, std::string& error) override;
  std::unique_ptr<Commands> begin() override {
    @autoreleasepool {
      residency_->settle();
    }
    return std::make_unique<DeviceCommands>(queue_);
  }
  void keep_resident() override {
    @autoreleasepool {
      residency_->ask_again();
    }
  }
  bool renew_queue() override {
    @autoreleasepool {
      [queue_ release];
      queue_ = [device_ newCommandQueue];
      residency_->attach(queue_);
      return queue_ != nil;
    }
  }

 private:
  id<MTLDevice> device_;
  id<MTLCommandQueue> queue_ = nil;
  std::shared_ptr<Residency> residency_ = std::make_shared<Residency>();
  DeviceLimits limits_;
};

// Safe math with precise functions: no reassociation and no assumption about NaN, so that a row's bits are those the
// text says. Since macOS 15 these are two settings, and the functions are fast unless asked otherwise.
void set_math(MTLCompileOptions* options) {
#if __MAC_OS_X_VERSION_MAX_ALLOWED >= 150000
  if (MACOS_AT_LEAST(15.0)) {
    [options setMathMode:MTLMathModeSafe];
    [options setMathFloatingPointFunctions:MTLMathFloatingPointFunctionsPrecise];
    return;
  }
#endif
  [options setFastMathEnabled:NO];
}

std::unique_ptr<Library> MetalDevice::compile(std::string_view text, std::string& error) {
  @autoreleasepool {
    MTLCompileOptions* options = [[[MTLCompileOptions alloc] init] autorelease];
    set_math(options);
    if (MACOS_AT_LEAST(14.0)) [options setLanguageVersion:MTLLanguageVersion3_1];
    NSError* failure = nil;
    id<MTLLibrary> library = [device_ newLibraryWithSource:string_of(text) options:options error:&failure];
    if (!library) {
      error = text_of(failure, "the kernel text does not compile");
      return nullptr;
    }
    return std::make_unique<DeviceLibrary>(library);
  }
}

std::unique_ptr<Pipeline> MetalDevice::pipeline(Library& library, const std::string& kernel, std::string& error) {
  @autoreleasepool {
    id<MTLFunction> function = [static_cast<DeviceLibrary&>(library).library() newFunctionWithName:string_of(kernel)];
    if (!function) {
      error = "the library has no such kernel";
      return nullptr;
    }
    NSError* failure = nil;
    id<MTLComputePipelineState> state = [device_ newComputePipelineStateWithFunction:function error:&failure];
    [function release];
    if (!state) {
      error = text_of(failure, "the pipeline cannot be made");
      return nullptr;
    }
    return std::make_unique<DevicePipeline>(state);
  }
}

// The first usable one of the default device and all others: the default may be missing in a process without a window
// server (launchd, ssh), and the list may be empty where the default is there.
id<MTLDevice> find_device(std::string& reason, bool to_compile) {
  NSMutableArray* candidates = [NSMutableArray array];
  if (id<MTLDevice> standard = [MTLCreateSystemDefaultDevice() autorelease]) [candidates addObject:standard];
  NSArray* others = [MTLCopyAllDevices() autorelease];
  [candidates addObjectsFromArray:others];
  if ([candidates count] == 0) {
    reason = "MTLCreateSystemDefaultDevice gave no device and MTLCopyAllDevices listed none (is this a virtual "
             "machine, or a "
             "process without access to the GPU?)";
    return nil;
  }
  for (id<MTLDevice> device in candidates)
    if ([device supportsFamily:MTLGPUFamilyApple7] && [device hasUnifiedMemory]) return [device retain];
  id<MTLDevice> first = [candidates objectAtIndex:0];
  reason = std::string(1, '"') + [[first name] UTF8String] + "\" is not of the family Apple7 (M1) or later";
  return to_compile ? [first retain] : nil;
}

}  // namespace

OpenedDevice open_device(bool to_compile) {
  @autoreleasepool {
    OpenedDevice opened;
    const NSOperatingSystemVersion system = [[NSProcessInfo processInfo] operatingSystemVersion];
    if (system.majorVersion < kOldestSystem) {
      opened.reason = "the kernels need macOS 14 or later and this is " + std::to_string(system.majorVersion) + "." +
                      std::to_string(system.minorVersion);
      return opened;
    }
    id<MTLDevice> device = find_device(opened.reason, to_compile);
    if (!device) return opened;
    auto usable = std::make_unique<MetalDevice>(device);
    if (usable->usable())
      opened.device = std::move(usable);
    else
      opened.reason = "the device \"" + usable->limits().name + "\" gave no command queue";
    return opened;
  }
}

ReleasePool::ReleasePool() : pool_([[NSAutoreleasePool alloc] init]) {}
ReleasePool::~ReleasePool() { [static_cast<NSAutoreleasePool*>(pool_) drain]; }

}  // namespace afterimage::metal
