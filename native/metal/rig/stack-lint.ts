// No array of a kernel may lie in memory of its thread: one that is indexed by a number which the compiler does not know
// does, and costs a GPU more than the arithmetic around it.
//   node --import tsx stack-lint.ts [--clang clang++-19] [--expect] FILE.metal…     exit code 1 where one does
// Each flattened text is compiled for nvptx64, whose compiler stands for Apple's: every call becomes part of its kernel, and
// the only loops that are unrolled are those that ask for it. An `alloca` that is left is such memory.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { preprocessed, readKernelText } from './kernel-text.js';

const FLAGS = [
  '--target=nvptx64-nvidia-cuda', '-std=c++20', '-nostdinc', '-nostdinc++', '-O1', '-fno-unroll-loops',
  '-fno-math-errno', '-Xclang', '-cl-single-precision-constant', '-Wno-everything',
  '-I', dirname(fileURLToPath(import.meta.url)), '-x', 'c++', '-S', '-emit-llvm', '-o', '-', '-',
];

/** LLVM assembly of every kernel, with one constant for each that says under which name the compiler has it. */
function compiled(file: string, clang: string): string {
  const { instantiations, text } = readKernelText(preprocessed(file, clang));
  const pointers = instantiations.map(({ hostName, expression }) => `extern "C" constexpr auto rig_kernel_${hostName} = &${expression};`);
  const input = ['#include "stack/device.h"', text, ...pointers, '#pragma clang attribute pop'].join('\n');
  const { status, stdout, stderr } = spawnSync(clang, FLAGS, { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status === 0) return stdout;
  throw new Error(`${clang} cannot compile ${file} for the stack lint; mend the kernel or stack/device.h:\n${stderr}`);
}

/** Types of what lies in memory of a thread, by kernel; of all kernels. */
export function keptInMemory(assembly: string): Map<string, string[]> {
  const kernels = new Map([...assembly.matchAll(/^@rig_kernel_(\w+) = .* ptr @([\w.$]+)/gm)].map((match) => [match[2]!, match[1]!]));
  const kept = new Map<string, string[]>();
  let found: string[] | undefined;
  for (const line of assembly.split('\n')) {
    const kernel = kernels.get(/^define .*?@([\w.$]+)\(/.exec(line)?.[1] ?? '');
    if (kernel) kept.set(kernel, (found = []));
    const memory = /= alloca (\[.*\]|<.*>|[^,]+),/.exec(line)?.[1];
    if (memory) found?.push(memory);
  }
  if (kernels.size === 0 || kept.size !== kernels.size)
    throw new Error(`Expected ${kernels.size} kernels, more than none, in the compiler's output but found ${kept.size}.`);
  return kept;
}

/** With --expect, the kernels that keep something must be those marked `// wrong: stack`. */
function marked(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/kernel void (\w+)\(.*\/\/ wrong: stack/g)].map((match) => match[1]!);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { clang: { type: 'string', default: 'clang++-19' }, expect: { type: 'boolean', default: false } },
});
const problems = positionals.flatMap((file) => {
  const all = [...keptInMemory(compiled(file, values.clang))];
  const keeping = all.filter(([, kept]) => kept.length > 0);
  if (!values.expect) return keeping.map(([kernel, kept]) => `${basename(file)}: ${kernel} keeps ${kept.join(', ')} in memory of each thread`);
  const [found, wanted] = [keeping.map(([kernel]) => kernel).join(), marked(file).join()];
  return found === wanted ? [] : [`${basename(file)}: expected "${wanted}" to keep something in memory but found "${found}"`];
});
for (const problem of problems) console.error(problem);
if (positionals.length === 0 || problems.length > 0) process.exitCode = 1;
