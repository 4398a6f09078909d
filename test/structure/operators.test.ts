// An operator stands in every place that the guide names ("Adding an operator" in CONTRIBUTING.md), under one name.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../..');

function read(...paths: string[]): string {
  return paths.map((path) => readFileSync(join(root, path), 'utf8')).join('\n');
}

function folder(path: string, pattern: RegExp): string[] {
  return readdirSync(join(root, path))
    .filter((name) => pattern.test(name))
    .map((name) => `${path}/${name}`);
}

const declared = /enum class Op : uint8_t \{(.*?)\n\};/s.exec(read('native/graph/ops.h'))![1]!;
const operators = declared.replace(/\/\/.*/g, '').match(/\w+/g)!;

const camelCase = (operator: string) => operator[0]!.toLowerCase() + operator.slice(1);

/** Where a new operator is written down, and how it reads there. */
const PLACES: Record<string, { text: string; as: (operator: string) => RegExp }> = {
  'signature and name of programs, native/graph/op_signature.cpp': {
    text: read('native/graph/op_signature.cpp'),
    as: (operator) => new RegExp(`\\{Op::${operator},\\s*"${camelCase(operator)}",`),
  },
  'shape rule, native/graph/shape_rules.cpp': {
    text: read('native/graph/shape_rules.cpp'),
    as: (operator) => new RegExp(`Op::${operator}\\b`),
  },
  'builder method, src/graph': {
    text: read(...folder('src/graph', /builder\.ts$/)),
    as: (operator) => new RegExp(`'${camelCase(operator)}'`),
  },
  'CPU dispatch, native/cpu/cpu_backend.cpp': {
    text: read('native/cpu/cpu_backend.cpp'),
    as: (operator) => new RegExp(`Op::${operator}\\b`),
  },
  'Metal dispatch or its refusal, native/metal/operators.cpp': {
    text: read('native/metal/operators.cpp'),
    as: (operator) => new RegExp(`Op::${operator}\\b`),
  },
  'a test against a naive loop, native/test': {
    text: read(...folder('native/test', /\.(cpp|h)$/)),
    as: (operator) => new RegExp(`Op::${operator}\\b`),
  },
};

test('the list of operators was read', () => {
  assert.ok(operators.length > 30 && operators.includes('Linear') && operators.includes('ExpertSum'));
});

for (const [place, { text, as }] of Object.entries(PLACES)) {
  test(`every operator has its place: ${place}`, () => {
    const missing = operators.filter((operator) => !as(operator).test(text));
    assert.deepEqual(missing, []);
  });
}

test('no builder method writes an operator that does not exist', () => {
  const written = [
    ...PLACES['builder method, src/graph']!.text.matchAll(/(?:this\.)?(?:emit|one)\(\s*'(\w+)'/g),
  ];
  assert.ok(written.length > 20);
  const known = new Set(operators.map(camelCase));
  assert.deepEqual(
    written.map(([, name]) => name!).filter((name) => !known.has(name)),
    [],
  );
});
