// Makes compiled kernels count: reads LLVM assembly and writes it with a call before every load and store and one call
// per block for its arithmetic.
//   node --import tsx instrument.ts IN.ll OUT.ll
// One operation is one addition, subtraction, multiplication, division or library function of one f32; a fused
// multiply-add is two. Integer work and conversions are not counted.
import { readFileSync, writeFileSync } from 'node:fs';

const SCALARS: Record<string, number> = { i1: 1, i8: 1, i16: 2, half: 2, bfloat: 2, i32: 4, float: 4, i64: 8, double: 8, ptr: 8 };
const TYPE = /^(<(\d+) x (\w+)>|\w+)/;
const LOAD = /^\s+%\S+ = load (?:volatile |atomic )*(.*)$/;
const STORE = /^\s+store (?:volatile |atomic )*(.*)$/;
const ARITHMETIC = /= (?:fadd|fsub|fmul|fdiv) (?:(?:fast|nnan|ninf|nsz|arcp|contract|afn|reassoc) )*(<(\d+) x )?float/;
const CALL = /= (?:tail |notail )?call .*?(<(\d+) x )?float\S* @(?:llvm\.)?(\w+)/;
const FUNCTIONS = new Set(['exp', 'exp2', 'log', 'tanh', 'sin', 'cos', 'sqrt', 'pow', 'expf', 'exp2f', 'logf', 'tanhf', 'sinf', 'cosf', 'sqrtf', 'powf']);
const TERMINATOR = /^\s+(?:br|ret|switch|unreachable|resume|indirectbr) ?/;

function bytesOf(type: string): number {
  const match = TYPE.exec(type);
  const size = match && (SCALARS[match[3] ?? match[0]] ?? 0) * Number(match[2] ?? 1);
  if (!size) throw new Error(`Expected a scalar or a vector but received "${type.slice(0, 60)}"; kernels do not copy whole structures.`);
  return size;
}

function operationsOf(line: string): number {
  const arithmetic = ARITHMETIC.exec(line);
  if (arithmetic) return Number(arithmetic[2] ?? 1);
  const call = CALL.exec(line);
  if (!call) return 0;
  const lanes = Number(call[2] ?? 1);
  if (call[3] === 'fma' || call[3] === 'fmaf') return 2 * lanes;
  return FUNCTIONS.has(call[3]!) ? lanes : 0;
}

/** The call that notes the access of `rest`, the text after `load` or `store`. */
function access(name: string, rest: string): string {
  const pointer = /,? ptr ([%@][^\s,]+|getelementptr[^)]*\)), align|ptr ([%@][^\s,]+)$/.exec(rest);
  const at = pointer?.[1] ?? pointer?.[2];
  if (!at || at.startsWith('getelementptr')) return '';
  return `  call void @rig_${name}(ptr ${at}, i64 ${bytesOf(rest)})\n`;
}

export function instrument(text: string): string {
  let operations = 0;
  const lines = text.split('\n').map((line) => {
    // What a function touches is no longer what the compiler concluded.
    if (line.startsWith('attributes ')) return line.replace(/ memory\([^)]*\)/g, '').replace(/ nosync| nofree/g, '');
    if (!line.startsWith('  ')) return line;
    operations += operationsOf(line);
    const load = LOAD.exec(line);
    if (load) return access('load', load[1]!) + line;
    const store = STORE.exec(line);
    if (store) return access('store', store[1]!) + line;
    if (operations === 0 || !TERMINATOR.test(line)) return line;
    const counted = `  call void @rig_operations(i32 ${operations})\n${line}`;
    operations = 0;
    return counted;
  });
  return `${lines.join('\n')}
declare void @rig_load(ptr, i64)
declare void @rig_store(ptr, i64)
declare void @rig_operations(i32)
`;
}

const [input, output] = process.argv.slice(2);
if (input && output) writeFileSync(output, instrument(readFileSync(input, 'utf8')));
