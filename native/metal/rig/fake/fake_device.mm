// Device, buffers, libraries and pipelines of the fake. A library is found by the hash of its source text, so only
// text that the rig compiled "compiles".
#include "fake_objects.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

using namespace rig::fake;

namespace {

constexpr size_t kCanaryBytes = 64;
constexpr int kCanary = 0xA5;

NSError* make_error(NSString* domain, NSInteger code, const std::string& text) {
  NSString* description = [NSString stringWithUTF8String:text.c_str()];
  NSDictionary* information = [NSDictionary dictionaryWithObject:description forKey:NSLocalizedDescriptionKey];
  return [NSError errorWithDomain:domain code:code userInfo:information];
}

uint32_t pipeline_threads(const rig::Kernel& kernel) {
  const Settings& s = settings();
  if (!s.random_limits) return s.threads;
  const uint64_t draw = rig::hash_source(kernel.name, std::strlen(kernel.name)) ^ (s.seed * 0x9e3779b97f4a7c15ull);
  const uint32_t steps = (s.threads - 256) / 32 + 1;
  return 256 + 32 * static_cast<uint32_t>((draw >> 32) % steps);
}

}  // namespace

// New memory is poisoned with NaN and followed by a canary.
@implementation FakeBuffer
- (id)initWithLength:(size_t)length {
  self = [super init];
  bytes = length;
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (posix_memalign(reinterpret_cast<void**>(&memory), page, length + kCanaryBytes) != 0) {
    memory = nullptr;
    return self;
  }
  if (!settings().dry) std::memset(memory, 0xff, length);
  std::memset(memory + length, kCanary, kCanaryBytes);
  born("buffer");
  add_extent(memory, bytes + kCanaryBytes);
  return self;
}
- (id)initWithMemory:(void*)address length:(size_t)length {
  self = [super init];
  memory = static_cast<std::byte*>(address);
  bytes = length;
  noCopy = YES;
  born("buffer");
  return self;
}
- (void)dealloc {
  need_pool("the end of a buffer");
  if (!noCopy && memory) {
    for (size_t i = 0; i < kCanaryBytes; ++i)
      if (memory[bytes + i] != std::byte{kCanary}) {
        violation("a kernel wrote beyond the end of a buffer of " + std::to_string(bytes) + " bytes");
        break;
      }
    remove_extent(memory, bytes + kCanaryBytes);
    free(memory);
  }
  release_bytes(bytes);
  died("buffer");
  [super dealloc];
}
- (void*)contents {
  return memory;
}
- (NSUInteger)length {
  return bytes;
}
- (uint64_t)gpuAddress {
  return reinterpret_cast<uint64_t>(memory);
}
@end

@implementation FakeFunction
- (id)init {
  born("function");
  return [super init];
}
- (void)dealloc {
  died("function");
  [super dealloc];
}
- (NSString*)name {
  return [NSString stringWithUTF8String:kernel->name];
}
@end

@implementation FakeLibrary
- (id)init {
  born("library");
  return [super init];
}
- (void)dealloc {
  died("library");
  [super dealloc];
}
- (NSArray*)functionNames {
  need_pool("functionNames");
  NSMutableArray* names = [NSMutableArray array];
  for (const rig::Kernel& kernel : library->kernels) [names addObject:[NSString stringWithUTF8String:kernel.name]];
  return names;
}
- (id<MTLFunction>)newFunctionWithName:(NSString*)name {
  const rig::Kernel* found = library->find([name UTF8String]);
  if (!found) return nil;
  FakeFunction* function = [[FakeFunction alloc] init];
  function->library = library;
  function->kernel = found;
  return function;
}
@end

@implementation FakePipeline
- (id)init {
  born("pipeline");
  return [super init];
}
- (void)dealloc {
  died("pipeline");
  [super dealloc];
}
- (NSUInteger)maxTotalThreadsPerThreadgroup {
  return threads;
}
- (NSUInteger)threadExecutionWidth {
  return rig::kSimdWidth;
}
- (NSUInteger)staticThreadgroupMemoryLength {
  return kernel->threadgroup_bytes;
}
@end

@implementation MTLCompileOptions
- (id)init {
  _fastMath = YES;
  _mathMode = MTLMathModeFast;
  return [super init];
}
- (void)setFastMathEnabled:(BOOL)enabled {
  if (rig_macos_at_least(15.0)) violation("setFastMathEnabled: is deprecated since macOS 15");
  _fastMath = enabled;
}
- (void)setMathMode:(MTLMathMode)mode {
  if (!rig_macos_at_least(15.0)) violation("setMathMode: came with macOS 15");
  _mathMode = mode;
}
- (void)setMathFloatingPointFunctions:(MTLMathFloatingPointFunctions)functions {
  if (!rig_macos_at_least(15.0)) violation("setMathFloatingPointFunctions: came with macOS 15");
  _functions = functions;
}
- (void)setLanguageVersion:(MTLLanguageVersion)version {
  _version = version;
}
- (BOOL)isPrecise {
  if (!rig_macos_at_least(15.0)) return !_fastMath;
  return _mathMode == MTLMathModeSafe && _functions == MTLMathFloatingPointFunctionsPrecise;
}
- (MTLLanguageVersion)languageVersion {
  return _version;
}
@end

bool rig_macos_at_least(double version) { return static_cast<double>(settings().system) >= version; }

@implementation NSProcessInfo (FakeSystem)
- (NSOperatingSystemVersion)operatingSystemVersion {
  NSOperatingSystemVersion version = {static_cast<NSInteger>(settings().system), 1, 0};
  return version;
}
- (NSString*)operatingSystemVersionString {
  return [NSString stringWithFormat:@"Version %d.1 (Build 24B83)", static_cast<int>(settings().system)];
}
@end

@interface FakeDevice : NSObject <MTLDevice> {
  BOOL gaveResidency;
}
@end
@implementation FakeDevice
- (id)init {
  born("device");
  return [super init];
}
- (void)dealloc {
  died("device");
  [super dealloc];
}
- (NSString*)name {
  return @"Emulated Apple GPU";
}
- (BOOL)supportsFamily:(MTLGPUFamily)family {
  return settings().apple_family && (family == MTLGPUFamilyApple7 || family == MTLGPUFamilyMetal3);
}
- (BOOL)hasUnifiedMemory {
  return YES;
}
- (uint64_t)recommendedMaxWorkingSetSize {
  return settings().working_set;
}
- (NSUInteger)maxBufferLength {
  return settings().max_buffer;
}
- (NSUInteger)currentAllocatedSize {
  return counters().allocated;
}
- (NSUInteger)maxThreadgroupMemoryLength {
  return settings().threadgroup_memory;
}
- (MTLSize)maxThreadsPerThreadgroup {
  return MTLSizeMake(settings().threads, settings().threads, settings().threads);
}
- (id<MTLCommandQueue>)newCommandQueue {
  need_pool("newCommandQueue");
  if (!give_queue()) return nil;
  FakeQueue* queue = [[FakeQueue alloc] init];
  queue->needsResidency = gaveResidency;
  return queue;
}

- (id<MTLBuffer>)newBufferWithLength:(NSUInteger)length options:(MTLResourceOptions)options {
  (void)options;
  need_pool("newBufferWithLength:options:");
  if (length == 0) {
    violation("a buffer of 0 bytes");
    return nil;
  }
  if (!admit(length, false)) return nil;
  return [[FakeBuffer alloc] initWithLength:length];
}
- (id<MTLBuffer>)newBufferWithBytesNoCopy:(void*)memory
                                   length:(NSUInteger)length
                                  options:(MTLResourceOptions)options
                              deallocator:(void*)deallocator {
  (void)options, (void)deallocator;
  need_pool("newBufferWithBytesNoCopy:length:options:deallocator:");
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (reinterpret_cast<size_t>(memory) % page || length % page || length == 0) {
    violation("a no-copy buffer whose address or length is not a multiple of the page size");
    return nil;
  }
  if (!admit(length, true)) return nil;
  return [[FakeBuffer alloc] initWithMemory:memory length:length];
}

- (id<MTLResidencySet>)newResidencySetWithDescriptor:(MTLResidencySetDescriptor*)descriptor error:(NSError**)error {
  (void)error;
  need_pool("newResidencySetWithDescriptor:error:");
  if (!descriptor) violation("a residency set without a descriptor");
  if (settings().refuses_residency) return nil;
  gaveResidency = YES;
  FakeResidencySet* set = [[FakeResidencySet alloc] init];
  set->seconds = settings().residency_seconds;
  return set;
}
- (id<MTLLibrary>)newLibraryWithSource:(NSString*)source options:(MTLCompileOptions*)options error:(NSError**)error {
  if (![options isPrecise]) violation("a library is compiled with fast math");
  if ([options languageVersion] != MTLLanguageVersion3_1) violation("a library is not compiled as Metal 3.1");
  const char* text = [source UTF8String];
  const rig::Library* found = rig::find_library(rig::hash_source(text, std::strlen(text)));
  if (!found || settings().broken_families.count(found->family)) {
    if (error)
      *error = make_error(@"MTLLibraryErrorDomain", 3, "program_source:1:1: error: the fake refuses this text");
    return nil;
  }
  count_library();
  FakeLibrary* library = [[FakeLibrary alloc] init];
  library->library = found;
  return library;
}
- (id<MTLComputePipelineState>)newComputePipelineStateWithFunction:(id<MTLFunction>)function error:(NSError**)error {
  const rig::Kernel* kernel = ((FakeFunction*)function)->kernel;
  const bool too_large = kernel->threadgroup_bytes > settings().threadgroup_memory;
  if (too_large || settings().broken_kernels.count(kernel->name)) {
    if (error)
      *error =
          make_error(@"AGXMetal", 3,
                     too_large ? "threadgroup memory exceeds the limit" : "compiler encountered an internal error");
    return nil;
  }
  FakePipeline* pipeline = [[FakePipeline alloc] init];
  pipeline->library = ((FakeFunction*)function)->library;
  pipeline->kernel = kernel;
  pipeline->threads = pipeline_threads(*kernel);
  return pipeline;
}
@end

extern "C" id<MTLDevice> MTLCreateSystemDefaultDevice(void) {
  return settings().present ? [[FakeDevice alloc] init] : nil;
}

extern "C" NSArray* MTLCopyAllDevices(void) {
  NSMutableArray* devices = [[NSMutableArray alloc] init];
  if (settings().listed) {
    FakeDevice* device = [[FakeDevice alloc] init];
    [devices addObject:device];
    [device release];
  }
  return devices;
}
