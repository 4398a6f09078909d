// Reads Metal kernel text after the preprocessor: kernels, their parameters with attributes, explicit instantiations
// and threadgroup arrays. A reader for the dialect this project writes, not a parser of the language.
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/** A flattened source behind the preprocessor; `defined` are options of it. */
export function preprocessed(file: string, clang: string, defined: string[] = []): string {
  const options = ['-E', '-x', 'c++', '-std=c++20', '-nostdinc', '-nostdinc++', '-I', join(here, 'empty'), '-D__METAL_VERSION__=310'];
  const text = execFileSync(clang, [...options, ...defined, file], { encoding: 'utf8', maxBuffer: 1 << 28 });
  return text.replace(/^using namespace metal;$/m, '');
}

export interface Parameter {
  name: string;
  /** Attribute without brackets: `buffer(0)`, `thread_position_in_grid`. */
  attribute: string;
  /** Declared in `constant` or pointing to const. */
  readOnly: boolean;
}

export interface KernelText {
  name: string;
  /** Text between the angle brackets of `template <…>`, or empty. */
  templateParameters: string;
  parameters: Parameter[];
  /** Types with dimensions of threadgroup arrays, as `float[32][ROWS]`. */
  arrays: string[];
}

export interface Instantiation {
  hostName: string;
  /** `kernel_name<arguments>` */
  expression: string;
  kernel: string;
}

export interface Reading {
  kernels: KernelText[];
  instantiations: Instantiation[];
  /** The text as C++: attributes gone, threadgroup arrays as RIG_SHARED. Line numbers unchanged. */
  text: string;
}

const KERNEL = /(?:template\s*<([^{};]*?)>\s*)?\bkernel\s+void\s+(\w+)\s*\(/g;
const INSTANCE = /template\s*\[\[host_name\("(\w+)"\)\]\]\s*\[\[kernel\]\]\s*decltype\(([^;]*?)\)\s*([^;]*?);/g;
const ARRAY = /\bthreadgroup\s+([A-Za-z_][\w<>, :]*?)\s+(\w+)\s*((?:\[[^\]]+\])+)\s*;/g;

/** Index after the bracket that closes the one at `open`. */
export function closing(text: string, open: number): number {
  const pairs: Record<string, string> = { '(': ')', '{': '}', '[': ']' };
  const start = text[open] ?? '';
  const end = pairs[start];
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === start) depth++;
    if (text[i] === end && --depth === 0) return i + 1;
  }
  throw new Error(`Expected a bracket that closes "${start}" but received the end of the kernel text.`);
}

/** Parts between commas that lie outside brackets. */
export function splitList(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    if ('([{<'.includes(text[i]!)) depth++;
    if (')]}>'.includes(text[i]!)) depth--;
    if (text[i] === ',' && depth === 0) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  parts.push(text.slice(from));
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

function readParameter(text: string, kernel: string): Parameter {
  const attribute = /\[\[\s*([^\]]*?)\s*\]\]/.exec(text)?.[1];
  if (attribute === undefined) {
    throw new Error(`Expected an attribute on parameter "${text.replace(/\s+/g, ' ')}" of kernel ${kernel} but received none.`);
  }
  const declaration = text.slice(0, text.indexOf('[['));
  const name = /(\w+)\s*$/.exec(declaration)?.[1] ?? '';
  return { name, attribute, readOnly: /\bconst\b|\bconstant\b/.test(declaration) };
}

function readKernels(text: string): KernelText[] {
  const kernels: KernelText[] = [];
  for (const match of text.matchAll(KERNEL)) {
    const open = match.index + match[0].length - 1;
    const close = closing(text, open);
    const bodyStart = text.indexOf('{', close);
    const body = text.slice(bodyStart, closing(text, bodyStart));
    const parameters = withoutMarkers(text.slice(open + 1, close - 1));
    kernels.push({
      name: match[2]!,
      templateParameters: (match[1] ?? '').replace(/\s+/g, ' ').trim(),
      parameters: splitList(parameters).map((parameter) => readParameter(parameter, match[2]!)),
      arrays: [...body.matchAll(ARRAY)].map((array) => `${array[1]}${array[3]}`),
    });
  }
  return kernels;
}

function withoutMarkers(text: string): string {
  return text.replace(/^\s*# \d+ .*$/gm, '');
}

/** Arrays are numbered within their kernel. */
function rewriteArrays(text: string): string {
  let rewritten = '';
  let from = 0;
  for (const match of text.matchAll(KERNEL)) {
    const open = text.indexOf('{', closing(text, match.index + match[0].length - 1));
    const end = closing(text, open);
    let id = 0;
    const body = text
      .slice(open, end)
      .replace(ARRAY, (_, type: string, name: string, dims: string) => `RIG_SHARED(${id++}, ${name}, ${dims}, ${type})`);
    rewritten += text.slice(from, open) + body;
    from = end;
  }
  return rewritten + text.slice(from);
}

/** `text` is the output of the preprocessor, line markers included. */
export function readKernelText(text: string): Reading {
  const instantiations: Instantiation[] = [];
  const plain = text.replace(INSTANCE, (whole: string, hostName: string, type: string, name: string) => {
    const expression = name.replace(/\s+/g, ' ').trim();
    if (type.replace(/\s+/g, '') !== expression.replace(/\s+/g, '')) {
      throw new Error(`Expected decltype(${expression}) in the instantiation of ${hostName} but received decltype(${type}).`);
    }
    instantiations.push({ hostName, expression, kernel: expression.split('<')[0]! });
    return whole.replace(/[^\n]/g, '');
  });
  const kernels = readKernels(plain);
  for (const kernel of kernels) {
    if (!kernel.templateParameters) instantiations.push({ hostName: kernel.name, expression: kernel.name, kernel: kernel.name });
  }
  const rewritten = rewriteArrays(plain).replace(/\[\[[^\]]*\]\]/g, '');
  return { kernels, instantiations, text: rewritten };
}
