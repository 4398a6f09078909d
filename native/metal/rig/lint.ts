// What kernel authors must avoid, because Apple's compiler refuses it, because the emulator cannot show its effect, or
// because it differs between devices:  node --import tsx lint.ts FILE…   prints file:line: rule, exit code 1 if any.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

import { closing, splitList } from './kernel-text.js';

export interface Finding {
  line: number;
  rule: string;
  text: string;
}

const VECTOR = '(?:float|half|bfloat|u?int|u?short|u?char|u?long)[234]';
const SPACE = /\b(?:device|constant|threadgroup|thread)\b/;
const LINE_RULES: [rule: string, pattern: RegExp][] = [
  ['double', /\bdouble\b/],
  ['std', /\bstd::/],
  ['lambda', /(?<![\w\])[])\[[&=]?\]\s*\(/],
  ['static', /^\s*static\s+[\w<> ]+\s+\w+\s*[=;[]/],
  ['vector-cast', new RegExp(`\\(\\s*${VECTOR}\\s*\\)\\s*[\\w(]`)],
  ['infinity', /\bINFINITY\b|\bHUGE_VALF\b/],
  ['fast-math', /\bfast::/],
  ['texture', /\btexture\w*\s*</],
  ['thread-elements', /\bthread_elements\b/],
];

/** Comments become blanks, so that columns and line numbers stay. */
function withoutComments(text: string): string {
  return text.replace(/\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '));
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

/** A pointer or reference parameter names its address space. */
function parameterFindings(text: string): Finding[] {
  const findings: Finding[] = [];
  for (const match of text.matchAll(/\b(inline|static|kernel)\s+[\w:<> ]+?\s+\w+\s*\(/g)) {
    const open = match.index + match[0].length - 1;
    const list = text.slice(open + 1, closing(text, open) - 1);
    for (const parameter of splitList(list)) {
      const line = lineOf(text, text.indexOf(parameter, open));
      const pointer = /[*&]/.test(parameter.replace(/\[\[.*?\]\]/g, ''));
      if (pointer && !SPACE.test(parameter)) findings.push({ line, rule: 'address-space', text: parameter });
      if (match[1] === 'kernel' && !parameter.includes('[[')) findings.push({ line, rule: 'buffer-index', text: parameter });
    }
  }
  return findings;
}

/** A return before a barrier leaves the others waiting, unless all threads of the group take it: `// uniform`. */
function returnFindings(text: string, original: string): Finding[] {
  const lines = original.split('\n');
  const findings: Finding[] = [];
  for (const match of text.matchAll(/\bkernel\s+void\s+\w+\s*\(/g)) {
    const start = text.indexOf('{', closing(text, match.index + match[0].length - 1));
    const body = text.slice(start, closing(text, start));
    const last = Math.max(body.lastIndexOf('_barrier('), body.search(/\bsimd_\w+\((?![\s\S]*\bsimd_\w+\()/));
    for (const early of body.matchAll(/\breturn\b/g)) {
      const line = lineOf(text, start + early.index);
      if (early.index < last && !/\/\/ uniform/.test(lines[line - 1] ?? ''))
        findings.push({ line, rule: 'early-return', text: (lines[line - 1] ?? '').trim() });
    }
  }
  return findings;
}

export function lint(original: string): Finding[] {
  const text = withoutComments(original);
  const findings = [...parameterFindings(text), ...returnFindings(text, original)];
  text.split('\n').forEach((line, index) => {
    for (const [rule, pattern] of LINE_RULES) if (pattern.test(line)) findings.push({ line: index + 1, rule, text: line.trim() });
  });
  return findings.sort((a, b) => a.line - b.line);
}

/** Every kernel text starts with common.h, which forbids contraction in both compilers' spellings. */
function contractionFindings(file: string, text: string): Finding[] {
  const spelt = (spelling: string): boolean => text.includes(`\n#pragma ${spelling} fp contract(off)\n`);
  const forbids = basename(file) === 'common.h' ? ['METAL', 'clang'].every(spelt) : !file.endsWith('.metal') || text.includes('#include "common.h"');
  return forbids ? [] : [{ line: 1, rule: 'contraction', text: basename(file) }];
}

/** With --expect, findings must equal the `// wrong: rule` marks of the file. */
function check(file: string, expectMarks: boolean): string[] {
  const text = readFileSync(file, 'utf8');
  const found = [...lint(text), ...contractionFindings(file, text)].map((f) => `${basename(file)}:${f.line}: ${f.rule}`);
  if (!expectMarks) return found;
  const marks = text.split('\n').flatMap((line, i) => (/\/\/ wrong: (\S+)/.exec(line) ? [`${basename(file)}:${i + 1}: ${/wrong: (\S+)/.exec(line)![1]}`] : []));
  return [
    ...marks.filter((mark) => !found.includes(mark)).map((mark) => `${mark} was not found`),
    ...found.filter((f) => !marks.includes(f)).map((f) => `${f} is not marked`),
  ];
}

const files = process.argv.slice(2).filter((argument) => argument !== '--expect');
const problems = files.flatMap((file) => check(file, process.argv.includes('--expect')));
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
