// Turns one flattened Metal source into C++ that runs on the emulator:
//   node --import tsx generate.ts IN.metal OUT.cpp [--family NAME] [--clang clang++-19]
// The text is compiled as it is; beside it stand one entry function and one reflection row per kernel.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';

import { preprocessed, readKernelText, splitList, type Instantiation, type KernelText, type Parameter } from './kernel-text.js';

/** Attributes that name the calling thread's place: fields of rig::Place. */
const PLACES: Record<string, string> = {
  thread_position_in_threadgroup: 'p.local[0], p.local[1], p.local[2]',
  threadgroup_position_in_grid: 'p.group[0], p.group[1], p.group[2]',
  threads_per_threadgroup: 'p.threads[0], p.threads[1], p.threads[2]',
  threadgroups_per_grid: 'p.groups[0], p.groups[1], p.groups[2]',
  thread_position_in_grid:
    'p.group[0] * p.threads[0] + p.local[0], p.group[1] * p.threads[1] + p.local[1], p.group[2] * p.threads[2] + p.local[2]',
  thread_index_in_threadgroup: 'p.index, 0, 0',
  thread_index_in_simdgroup: 'p.lane, 0, 0',
  simdgroup_index_in_threadgroup: 'p.simdgroup, 0, 0',
  simdgroups_per_threadgroup: 'p.simdgroups, 0, 0',
};

const SUPPORT = `
namespace rig {
namespace {
template <size_t I, class R, class... A> std::tuple_element_t<I, std::tuple<A...>> argument_of(R (*)(A...));
template <size_t I, auto F> using Argument = decltype(argument_of<I>(F));
template <class A> A place_as(uint32_t x, uint32_t y, uint32_t z) {
  if constexpr (std::is_same_v<A, uint>) return x;
  else if constexpr (std::is_same_v<A, uint2_t>) return uint2_t{x, y};
  else return uint3_t{x, y, z};
}
template <class A> A bound(void* memory) {
  if constexpr (std::is_pointer_v<A>) return static_cast<A>(memory);
  else return *static_cast<std::remove_reference_t<A>*>(memory);
}
template <class A> using Pointee = std::remove_pointer_t<std::remove_reference_t<A>>;
}  // namespace
}  // namespace rig
`;

function bufferIndex(parameter: Parameter): number | undefined {
  const match = /^buffer\((\d+)\)$/.exec(parameter.attribute);
  return match ? Number(match[1]) : undefined;
}

function argument(parameter: Parameter, position: number, expression: string): string {
  const type = `rig::Argument<${position}, &${expression}>`;
  const index = bufferIndex(parameter);
  if (index !== undefined) return `rig::bound<${type}>(buffers[${index}])`;
  const place = PLACES[parameter.attribute];
  if (!place) throw new Error(`Expected a known attribute but received [[${parameter.attribute}]] on ${parameter.name}.`);
  return `rig::place_as<${type}>(${place})`;
}

function entry(instance: Instantiation, kernel: KernelText): string {
  const call = kernel.parameters.map((p, i) => argument(p, i, instance.expression)).join(',\n    ');
  return `void rig_entry_${instance.hostName}(void* const* buffers) {
  [[maybe_unused]] const rig::Place& p = rig::place();
  ${instance.expression}(${call});
}`;
}

function row(instance: Instantiation, kernel: KernelText): string {
  const parameters = kernel.parameters.flatMap((p, i) => {
    const index = bufferIndex(p);
    if (index === undefined) return [];
    const type = `rig::Argument<${i}, &${instance.expression}>`;
    return [
      `{"${p.name}", ${index}, sizeof(rig::Pointee<${type}>), std::is_reference_v<${type}>, ${p.readOnly ? 'false' : 'true'}}`,
    ];
  });
  const bytes = instance.expression.replace(kernel.name, `rig_bytes_${kernel.name}`);
  return `{"${instance.hostName}", &rig_entry_${instance.hostName}, ${bytes}(), {${parameters.join(', ')}}}`;
}

function bytesFunction(kernel: KernelText): string {
  const sum = ['0', ...kernel.arrays.map((array) => `rig::array_bytes(sizeof(${array}))`)].join(' + ');
  const template = kernel.templateParameters ? `template <${kernel.templateParameters}> ` : '';
  return `${template}constexpr size_t rig_bytes_${kernel.name}() { return ${sum}; }`;
}

/** FNV-1a over the flattened text: how the fake device finds this library again. */
function sourceHash(source: Buffer): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of source) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}

export function generate(input: string, family: string, clang: string): string {
  const { kernels, instantiations, text } = readKernelText(preprocessed(input, clang, ['-DUNROLL=']));
  const byName = new Map(kernels.map((kernel) => [kernel.name, kernel]));
  const pairs = instantiations.map((instance): [Instantiation, KernelText] => {
    const kernel = byName.get(instance.kernel);
    if (!kernel) throw new Error(`Expected a kernel named ${instance.kernel} for ${instance.hostName} but found none.`);
    const given = splitList(instance.expression.slice(kernel.name.length).replace(/^<|>$/g, '')).length;
    const wanted = splitList(kernel.templateParameters).length;
    if (given !== wanted) throw new Error(`Expected ${wanted} template arguments for ${instance.hostName} but received ${given}.`);
    return [instance, kernel];
  });
  return [
    '// Made by rig/generate.ts from one flattened kernel text.',
    '#include <tuple>\n#include "runtime/emulator.h"\n#include "msl/metal.h"',
    `namespace {\n${text}\n#line 1 "${family}.generated"`,
    ...kernels.map(bytesFunction),
    '}  // namespace',
    '#ifdef RIG_STRICT\nnamespace {',
    ...instantiations.filter((i) => i.expression !== i.kernel).map((i) => `template decltype(${i.expression}) ${i.expression};`),
    `}\n#else\n${SUPPORT}namespace {`,
    ...pairs.map(([instance, kernel]) => entry(instance, kernel)),
    `}  // namespace\nconst rig::Library& rig_library_${family}() {\n  static const rig::Library library{"${family}", ${sourceHash(readFileSync(input))}ull, {`,
    pairs.map(([instance, kernel]) => row(instance, kernel)).join(',\n'),
    '}};\n  return library;\n}\n#endif\n',
  ].join('\n');
}

function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(name);
  return at > 0 ? (process.argv[at + 1] ?? fallback) : fallback;
}

const [input, output] = process.argv.slice(2);
if (input && output) {
  const family = option('--family', basename(input, '.metal'));
  writeFileSync(output, generate(input, family, option('--clang', 'clang++-19')));
}
