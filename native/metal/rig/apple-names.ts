// Every name of Apple's that native/metal/device.mm uses, with the macOS that brought it, as Apple's headers say, and
// the reading of that file. test/structure/apple-names.test.ts compares the two.

export interface AppleName {
  since: string;
  /** From this system on another name does the same: not to be used there. */
  until?: string;
}

const since = (version: string, ...names: string[]): [string, AppleName][] =>
  names.map((name) => [name, { since: version }]);

export const APPLE_NAMES = new Map<string, AppleName>([
  // Foundation
  ...since('10.0', 'NSAutoreleasePool', 'NSError', 'NSInteger', 'NSMutableArray', 'NSArray', 'NSProcessInfo', 'NSString'),
  ...since('10.0', 'NSUTF8StringEncoding', 'UTF8String', 'initWithBytes:length:encoding:', 'localizedDescription', 'code'),
  ...since('10.0', 'alloc', 'init', 'retain', 'release', 'autorelease', 'drain'),
  ...since('10.0', 'array', 'addObject:', 'addObjectsFromArray:', 'count', 'objectAtIndex:', 'processInfo'),
  ...since('10.2', 'operatingSystemVersionString'),
  ...since('10.10', 'NSOperatingSystemVersion', 'operatingSystemVersion'),
  // Metal: device
  ...since('10.11', 'MTLCreateSystemDefaultDevice', 'MTLCopyAllDevices', 'MTLDevice', 'name', 'newCommandQueue'),
  ...since('10.11', 'maxThreadsPerThreadgroup', 'MTLSizeMake'),
  ...since('10.12', 'recommendedMaxWorkingSetSize'),
  ...since('10.13', 'currentAllocatedSize', 'maxThreadgroupMemoryLength'),
  ...since('10.14', 'maxBufferLength'),
  ...since('10.15', 'supportsFamily:', 'hasUnifiedMemory', 'MTLGPUFamily', 'MTLGPUFamilyApple7'),
  ...since('10.15', 'MTLGPUFamilyApple8', 'MTLGPUFamilyApple9'), // the enumeration's; the header names no later system
  ...since('13.0', 'MTLGPUFamilyMetal3'),
  // buffers
  ...since('10.11', 'MTLBuffer', 'contents', 'length', 'MTLResourceStorageModeShared', 'newBufferWithLength:options:'),
  ...since('10.11', 'newBufferWithBytesNoCopy:length:options:deallocator:'),
  ...since('13.0', 'gpuAddress'),
  // libraries and pipelines
  ...since('10.11', 'MTLLibrary', 'MTLFunction', 'MTLCompileOptions', 'newLibraryWithSource:options:error:'),
  ...since('10.11', 'newFunctionWithName:', 'functionNames', 'setLanguageVersion:'),
  ...since('14.0', 'MTLLanguageVersion3_1'),
  ['setFastMathEnabled:', { since: '10.11', until: '15.0' }],
  ...since('15.0', 'setMathMode:', 'MTLMathModeSafe'),
  ...since('15.0', 'setMathFloatingPointFunctions:', 'MTLMathFloatingPointFunctionsPrecise'),
  ...since('10.11', 'MTLComputePipelineState', 'newComputePipelineStateWithFunction:error:'),
  ...since('10.11', 'maxTotalThreadsPerThreadgroup'),
  ...since('10.13', 'staticThreadgroupMemoryLength'),
  // commands
  ...since('10.11', 'MTLCommandQueue', 'MTLCommandBuffer', 'MTLComputeCommandEncoder', 'commandBuffer', 'commit'),
  ...since('10.11', 'setComputePipelineState:', 'setBuffer:offset:atIndex:', 'endEncoding'),
  ...since('10.11', 'setBytes:length:atIndex:', 'dispatchThreadgroups:threadsPerThreadgroup:', 'waitUntilCompleted'),
  ...since('10.11', 'status', 'error', 'MTLCommandBufferStatusCompleted'),
  ...since('10.11', 'MTLCommandBufferErrorOutOfMemory'),
  ...since('10.14', 'computeCommandEncoderWithDispatchType:', 'MTLDispatchTypeConcurrent'),
  ...since('10.14', 'memoryBarrierWithScope:', 'MTLBarrierScopeBuffers'),
  ...since('15.0', 'MTLResidencySetDescriptor', 'newResidencySetWithDescriptor:error:', 'addResidencySet:'),
  ...since('15.0', 'addAllocation:', 'removeAllocation:', 'requestResidency', 'endResidency'),
  ...since('10.13', 'useResource:usage:', 'MTLResourceUsageRead', 'MTLResourceUsageWrite'),
  ...since('10.15', 'GPUStartTime', 'GPUEndTime'),
]);

export interface Use {
  name: string;
  line: number;
  /** The system that is sure to run there: the deployment target, or a MACOS_AT_LEAST around it. */
  system: number;
  /** The headers that are sure to be there: the oldest that is built with, or an #if around it. */
  sdk: number;
}

/** "13.3" as 1303. */
export const numbered = (version: string): number => {
  const [major, minor = '0'] = version.split('.');
  return Number(major) * 100 + Number(minor);
};

/** Comments and what stands in quotes become blanks, so that places stay. */
function code(text: string): string {
  return text.replace(/\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, (part) =>
    part.replace(/[^\n]/g, ' '),
  );
}

function closing(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if ('([{'.includes(text[i]!)) depth++;
    if (')]}'.includes(text[i]!) && --depth === 0) return i;
  }
  return text.length;
}

/** The selector of the message that begins at `open`, and where it stands; undefined for an index or an attribute. */
function selectorAt(text: string, open: number): string | undefined {
  if (/[\w\])]/.test(text[open - 1] ?? '')) return undefined;
  const end = closing(text, open);
  let at = open + 1;
  // The receiver: one word, a call, or a message in brackets.
  while (at < end && /\s/.test(text[at]!)) at++;
  const word = /^[\w:]+(?:<[^<>()]*(?:<[^<>]*>[^<>]*)*>)?/.exec(text.slice(at, end));
  if (word) at += word[0].length;
  while (text[at] === '[' || text[at] === '(' || text[at] === '.') {
    if (text[at] === '.') at += /^\.\w+/.exec(text.slice(at))![0].length;
    else at = closing(text, at) + 1;
  }
  if (!/\s/.test(text[at] ?? '')) return undefined;
  let selector = '';
  while (at < end) {
    const part = /^\s*(\w+)(:?)/.exec(text.slice(at, end));
    if (!part) break;
    if (!part[2]) return selector ? selector : part[1];
    selector += `${part[1]}:`;
    at += part[0].length;
    // The argument: up to the next word that a colon follows, at this depth.
    while (at < end) {
      if ('([{'.includes(text[at]!)) at = closing(text, at) + 1;
      else if (/\s/.test(text[at]!) && /^\s+\w+:(?!:)/.test(text.slice(at, end))) break;
      else at++;
    }
  }
  return selector || undefined;
}

const TARGET = '13.3';
const OLDEST_SDK = '14.0';

/** Every use of a name of Apple's in Objective-C++ text, with what is known of the system there. */
export function usesIn(source: string): Use[] {
  const text = code(source);
  const uses: Use[] = [];
  const braces: number[] = [];
  const sdks: number[] = [];
  let offset = 0;
  text.split('\n').forEach((content, index) => {
    const line = index + 1;
    const condition = /^#if __MAC_OS_X_VERSION_MAX_ALLOWED >= (\d+)/.exec(content);
    if (/^#if/.test(content)) sdks.push(condition ? Number(condition[1]) / 100 : 0);
    if (/^#endif/.test(content)) sdks.pop();
    const guard = /^\s*(?:\} else )?if \(MACOS_AT_LEAST\((\d+\.\d+)\)\)/.exec(content);
    const here = guard ? numbered(guard[1]!) : 0;
    const system = Math.max(numbered(TARGET), here, ...braces);
    const sdk = Math.max(numbered(OLDEST_SDK), ...sdks);
    const found = [...content.matchAll(/\b(?:MTL|NS)[A-Z]\w+/g)].map(({ 0: name }) => name);
    for (let i = 0; i < content.length; i++) {
      if (content[i] === '[') {
        const selector = selectorAt(text, offset + i);
        if (selector) found.push(selector);
      }
      if (content[i] === '{') braces.push(here);
      if (content[i] === '}') braces.pop();
    }
    if (!content.startsWith('#')) uses.push(...found.map((name) => ({ name, line, system, sdk })));
    offset += content.length + 1;
  });
  return uses;
}
