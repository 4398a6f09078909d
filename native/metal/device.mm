// The only file that talks to Metal. Manual retain and release (compile without ARC) and no blocks, so that the same
// text runs on Linux against rig/fake. Waiting happens on the calling thread.
#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include "metal/device.h"

namespace afterimage::metal {
namespace {

std::string text_of(NSError* error, const char* otherwise) {
  NSString* description = [error localizedDescription];
  const char* text = [description UTF8String];
  return text ? text : otherwise;
}

NSString* string_of(std::string_view text) {
  return [[[NSString alloc] initWithBytes:text.data() length:text.size() encoding:NSUTF8StringEncoding] autorelease];
}

class DeviceBuffer final : public Buffer {
 public:
  explicit DeviceBuffer(id<MTLBuffer> buffer) : buffer_(buffer) {}
  ~DeviceBuffer() override { [buffer_ release]; }
  void* contents() noexcept override { return [buffer_ contents]; }
  size_t bytes() const noexcept override { return [buffer_ length]; }
  uint64_t gpu_address() const noexcept override { return [buffer_ gpuAddress]; }
  id<MTLBuffer> buffer() const noexcept { return buffer_; }

 private:
  id<MTLBuffer> buffer_;
};

class DevicePipeline final : public Pipeline {
 public:
  explicit DevicePipeline(id<MTLComputePipelineState> state) : state_(state) {}
  ~DevicePipeline() override { [state_ release]; }
  uint32_t max_threads() const noexcept override {
    return static_cast<uint32_t>([state_ maxTotalThreadsPerThreadgroup]);
  }
  id<MTLComputePipelineState> state() const noexcept { return state_; }

 private:
  id<MTLComputePipelineState> state_;
};

class DeviceLibrary final : public Library {
 public:
  explicit DeviceLibrary(id<MTLLibrary> library) : library_(library) {}
  ~DeviceLibrary() override { [library_ release]; }
  id<MTLLibrary> library() const noexcept { return library_; }

 private:
  id<MTLLibrary> library_;
};

class DeviceCommands final : public Commands {
 public:
  explicit DeviceCommands(id<MTLCommandQueue> queue) {
    @autoreleasepool {
      buffer_ = [[queue commandBuffer] retain];
      encoder_ = [[buffer_ computeCommandEncoder] retain];
    }
  }
  ~DeviceCommands() override {
    if (!committed_)
      [encoder_ endEncoding];
    else if (!waited_)
      [buffer_ waitUntilCompleted];
    [encoder_ release];
    [buffer_ release];
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
  void commit() override {
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
  @autoreleasepool {
    [buffer_ waitUntilCompleted];
    waited_ = true;
    outcome.gpu_seconds = [buffer_ GPUEndTime] - [buffer_ GPUStartTime];
    if ([buffer_ status] == MTLCommandBufferStatusError) {
      NSError* error = [buffer_ error];
      outcome.error = text_of(error, "unknown command buffer error");
      const NSInteger code = [error code];
      outcome.lost = code == MTLCommandBufferErrorDeviceRemoved || code == MTLCommandBufferErrorAccessRevoked;
      outcome.out_of_memory = code == MTLCommandBufferErrorOutOfMemory;
    }
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
  MetalDevice(id<MTLDevice> device, const std::string& archive) : device_(device), archive_path_(archive) {
    @autoreleasepool {
      queue_ = [device_ newCommandQueue];
      limits_.name = [[device_ name] UTF8String];
      for (const FamilyName& family : kFamilies)
        if ([device_ supportsFamily:family.family]) limits_.families.push_back(family.name);
      limits_.working_set = [device_ recommendedMaxWorkingSetSize];
      limits_.max_buffer = [device_ maxBufferLength];
      limits_.threadgroup_memory = [device_ maxThreadgroupMemoryLength];
      limits_.threads = static_cast<uint32_t>([device_ maxThreadsPerThreadgroup].width);
      limits_.unified_memory = [device_ hasUnifiedMemory];
      if (!archive_path_.empty()) open_archive();
    }
  }
  ~MetalDevice() override {
    [archive_ release];
    [queue_ release];
    [device_ release];
  }
  bool usable() const { return queue_ != nil; }
  const DeviceLimits& limits() const noexcept override { return limits_; }
  size_t allocated_bytes() const noexcept override { return [device_ currentAllocatedSize]; }

  std::unique_ptr<Buffer> allocate(size_t bytes) override {
    id<MTLBuffer> buffer = [device_ newBufferWithLength:bytes options:MTLResourceStorageModeShared];
    return buffer ? std::make_unique<DeviceBuffer>(buffer) : nullptr;
  }
  std::unique_ptr<Buffer> wrap(const void* memory, size_t bytes) override {
    id<MTLBuffer> buffer = [device_ newBufferWithBytesNoCopy:const_cast<void*>(memory)
                                                      length:bytes
                                                     options:MTLResourceStorageModeShared
                                                 deallocator:nullptr];
    return buffer ? std::make_unique<DeviceBuffer>(buffer) : nullptr;
  }
  std::unique_ptr<Library> compile(std::string_view text, std::string& error) override;
  std::unique_ptr<Pipeline> pipeline(Library& library, const std::string& kernel, std::string& error) override;
  void save_archive() override;
  std::unique_ptr<Commands> begin() override { return std::make_unique<DeviceCommands>(queue_); }

 private:
  void open_archive();

  id<MTLDevice> device_;
  id<MTLCommandQueue> queue_ = nil;
  id<MTLBinaryArchive> archive_ = nil;
  std::string archive_path_;
  bool archive_grew_ = false;
  DeviceLimits limits_;
};

// Safe math: no reassociation and no assumption about NaN, so that a row's bits are those the text says.
std::unique_ptr<Library> MetalDevice::compile(std::string_view text, std::string& error) {
  @autoreleasepool {
    MTLCompileOptions* options = [[[MTLCompileOptions alloc] init] autorelease];
    [options setFastMathEnabled:NO];
    [options setLanguageVersion:MTLLanguageVersion3_1];
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
    MTLComputePipelineDescriptor* descriptor = [[[MTLComputePipelineDescriptor alloc] init] autorelease];
    [descriptor setComputeFunction:function];
    if (archive_) {
      [descriptor setBinaryArchives:[NSArray arrayWithObject:archive_]];
      if ([archive_ addComputePipelineFunctionsWithDescriptor:descriptor error:nullptr]) archive_grew_ = true;
    }
    NSError* failure = nil;
    id<MTLComputePipelineState> state = [device_ newComputePipelineStateWithDescriptor:descriptor
                                                                               options:MTLPipelineOptionNone
                                                                            reflection:nullptr
                                                                                 error:&failure];
    [function release];
    if (!state) {
      error = text_of(failure, "the pipeline cannot be made");
      return nullptr;
    }
    return std::make_unique<DevicePipeline>(state);
  }
}

// An unreadable archive (another system version, a cut file) is replaced by an empty one.
void MetalDevice::open_archive() {
  MTLBinaryArchiveDescriptor* descriptor = [[[MTLBinaryArchiveDescriptor alloc] init] autorelease];
  [descriptor setUrl:[NSURL fileURLWithPath:string_of(archive_path_)]];
  archive_ = [device_ newBinaryArchiveWithDescriptor:descriptor error:nullptr];
  if (archive_) return;
  [descriptor setUrl:nil];
  archive_ = [device_ newBinaryArchiveWithDescriptor:descriptor error:nullptr];
}

void MetalDevice::save_archive() {
  if (!archive_ || !archive_grew_) return;
  @autoreleasepool {
    [archive_ serializeToURL:[NSURL fileURLWithPath:string_of(archive_path_)] error:nullptr];
    archive_grew_ = false;
  }
}

}  // namespace

std::unique_ptr<Device> open_device(const std::string& archive) {
  @autoreleasepool {
    id<MTLDevice> device = MTLCreateSystemDefaultDevice();
    if (!device) return nullptr;
    if (![device supportsFamily:MTLGPUFamilyApple7] || ![device hasUnifiedMemory]) {
      [device release];
      return nullptr;
    }
    auto opened = std::make_unique<MetalDevice>(device, archive);
    return opened->usable() ? std::move(opened) : nullptr;
  }
}

}  // namespace afterimage::metal
