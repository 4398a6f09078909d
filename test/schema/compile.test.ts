// What a schema allows, by examples on both sides of every keyword, by the published suite and by name where it is refused.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compileSchema } from '../../src/schema/compile.js';
import { AfterimageError } from '../../src/errors.js';
import { publishedSuite } from './published-suite.js';
import { Recogniser } from './recognise.js';

const holds = (schema: unknown, text: string): boolean => new Recogniser(compileSchema(schema)).accepts(text);

const tree = {
  $defs: {
    node: { type: 'object', properties: { next: { $ref: '#/$defs/node' } }, additionalProperties: false },
  },
  $ref: '#/$defs/node',
};
const shapes = {
  oneOf: [
    { properties: { kind: { const: 'a' }, n: { type: 'null' } }, required: ['kind', 'n'], type: 'object' },
    { properties: { kind: { const: 'b' } }, required: ['kind'], type: 'object' },
  ],
};

const examples: [what: string, schema: unknown, allowed: string[], refused: string[]][] = [
  [
    'blanks',
    { type: 'array', items: {} },
    ['[1,2]', '[1, 2]', ' [1]'],
    ['[1 ,2]', '[ 1]', '[1,  2]', '[1] ', '  [1]'],
  ],
  [
    'any value',
    {},
    ['null', '{"a":[true,{"b":"c"}]}', '-1.5', '""'],
    ['', 'nul', '{a:1}', '[1,]', '01', '-0', '1e5'],
  ],
  ['text of a schema', '{"type":"null"}', ['null'], ['true']],
  [
    'strings',
    { type: 'string' },
    ['"ü\\n\\u0001"', '"\\"\\\\"', '"😀"'],
    ['"\n"', '"\\u000a"', '"\\/"', '"a'],
  ],
  [
    'lengths in characters',
    { type: 'string', minLength: 2, maxLength: 3 },
    ['"😀😀"', '"\\n\\n\\n"'],
    ['"a"', '"abcd"'],
  ],
  ['patterns are found anywhere', { pattern: 'b+', type: 'string' }, ['"abba"', '"b"'], ['"aa"', '""']],
  ['patterns with anchors', { pattern: '^a|b$', type: 'string' }, ['"ax"', '"xb"'], ['"xa"', '"bx"']],
  ['an anchor behind the end', { pattern: '$^', type: 'string' }, ['""'], ['"a"']],
  ['patterns by decoded characters', { pattern: '^[\\n"]{2}$', type: 'string' }, ['"\\n\\""'], ['"n\\""']],
  [
    'sets that Unicode defines',
    { pattern: '^\\p{Lu}\\s\\W$', type: 'string' },
    ['"Ä -"'],
    ['"ä -"', '"ÄxA"'],
  ],
  [
    'pattern and length',
    { pattern: '^a*$', minLength: 2, maxLength: 3, type: 'string' },
    ['"aa"'],
    ['"a"', '"aaaa"'],
  ],
  [
    'formats',
    { format: 'date', type: 'string' },
    ['"2024-02-29"', '"1999-12-31"'],
    ['"2023-02-29"', '"2024-13-01"'],
  ],
  ['integers', { type: 'integer' }, ['0', '-12'], ['1.0', '-0', '00']],
  [
    'limits',
    { type: 'number', minimum: -1.5, exclusiveMaximum: 20 },
    ['-1.5', '19.99', '0.0', '-1'],
    ['-1.51', '20', '-2', '100'],
  ],
  [
    'limits of the other sign',
    { type: 'integer', minimum: -20, maximum: -3 },
    ['-3', '-20', '-10'],
    ['-2', '3', '-21', '0'],
  ],
  [
    'limits near 0',
    { type: 'number', exclusiveMinimum: 0, maximum: 0.05 },
    ['0.05', '0.001'],
    ['0', '0.0', '0.051', '-0.01'],
  ],
  ['large limits', { type: 'number', maximum: 1e300 }, ['999999999999999'], ['1000000000000000']],
  ['multiples', { type: 'integer', multipleOf: 12, minimum: 1 }, ['12', '144'], ['0', '18']],
  [
    'both are multiples',
    { allOf: [{ multipleOf: 4 }, { multipleOf: 6 }], type: 'number' },
    ['12', '0'],
    ['4', '6', '1.5'],
  ],
  [
    'properties in their order',
    { properties: { a: {}, b: {} }, type: 'object' },
    ['{}', '{"b":1}', '{"a": 1, "b": 2}'],
    ['{"b":1,"a":2}', '{"c":1}', '{"a":1,}'],
  ],
  [
    'required',
    { properties: { a: {} }, required: ['a', 'z'], type: 'object' },
    ['{"a":1,"z":2}'],
    ['{"a":1}', '{"z":1,"a":2}'],
  ],
  [
    'others',
    { properties: { a: {} }, additionalProperties: { type: 'null' }, type: 'object' },
    ['{"a":1,"b":null}', '{"ab":null}'],
    ['{"b":1}', '{"b":null,"a":1}'],
  ],
  ['no others', { additionalProperties: false, type: 'object' }, ['{}'], ['{"a":1}']],
  [
    'how many properties',
    { properties: { a: {}, b: {}, c: {} }, minProperties: 2, maxProperties: 2, type: 'object' },
    ['{"a":1,"c":1}'],
    ['{"a":1}', '{"a":1,"b":1,"c":1}'],
  ],
  [
    'how many others',
    { additionalProperties: {}, properties: { a: {} }, maxProperties: 2, minProperties: 1, type: 'object' },
    ['{"a":1,"x":1}', '{"x":1,"y":1}'],
    ['{}', '{"a":1,"x":1,"y":1}'],
  ],
  [
    'items',
    { items: { type: 'null' }, minItems: 1, maxItems: 2, type: 'array' },
    ['[null]', '[null,null]'],
    ['[]', '[null,null,null]', '[1]'],
  ],
  [
    'items in place',
    { prefixItems: [{ type: 'null' }], items: false, type: 'array' },
    ['[]', '[null]'],
    ['[null,1]', '[1]'],
  ],
  [
    'items in place, as they were',
    { items: [{ type: 'null' }], additionalItems: { const: 1 }, type: 'array' },
    ['[null,1,1]'],
    ['[null,2]'],
  ],
  ['values', { enum: ['a', { b: [1] }, 2], type: ['string', 'object'] }, ['"a"', '{"b":[1]}'], ['2', '"b"']],
  ['values of both', { allOf: [{ enum: [1, 2] }, { enum: [2, 3] }] }, ['2'], ['1', '3']],
  ['values that begin alike', { enum: ['a', 'ab', 'abc'] }, ['"a"', '"abc"'], ['"abcd"', '""']],
  [
    'one or the other',
    { anyOf: [{ type: 'null' }, { type: 'array', items: { type: 'boolean' } }] },
    ['null', '[true]'],
    ['[null]'],
  ],
  ['one and the other', { allOf: [{ minimum: 3 }, { maximum: 5 }], type: 'integer' }, ['3', '5'], ['2', '6']],
  [
    'exactly one',
    shapes,
    ['{"kind":"a","n":null}', '{"kind":"b"}'],
    ['{"kind":"a"}', '{"kind":"b","n":null}'],
  ],
  ['recursion', tree, ['{"next":{"next":{}}}'], ['{"next":1}']],
  [
    'a reference and more',
    { $ref: '#/$defs/n', maximum: 9, $defs: { n: { type: 'integer', minimum: 1 } } },
    ['1', '9'],
    ['0', '10'],
  ],
];

for (const [what, schema, allowed, refused] of examples) {
  test(what, () => {
    for (const text of allowed) assert.ok(holds(schema, text), `allows ${text}`);
    for (const text of refused) assert.ok(!holds(schema, text), `refuses ${text}`);
  });
}

const refusals: [unknown, AfterimageError['code'], RegExp][] = [
  ...['not', 'if', 'contains', 'patternProperties', 'dependentRequired', 'unevaluatedItems', 'minLenght'].map(
    (key): [unknown, AfterimageError['code'], RegExp] => [
      { [key]: {} },
      'SCHEMA_UNSUPPORTED',
      new RegExp(`${key} is not`),
    ],
  ),
  [{ items: { uniqueItems: true } }, 'SCHEMA_UNSUPPORTED', /uniqueItems/],
  [{ multipleOf: 0.1 }, 'SCHEMA_UNSUPPORTED', /multipleOf 0.1/],
  [{ format: 'ipv6' }, 'SCHEMA_UNSUPPORTED', /format "ipv6".*use one of date/],
  [{ pattern: '(a)\\1' }, 'SCHEMA_UNSUPPORTED', /pattern with \\1/],
  [{ pattern: '(?=a)' }, 'SCHEMA_UNSUPPORTED', /pattern with \(\?=a\)/],
  [{ pattern: '\\bx' }, 'SCHEMA_UNSUPPORTED', /pattern with \\b/],
  [{ pattern: '(' }, 'INVALID_ARGUMENT', /pattern cannot be read/],
  [{ pattern: '(?:a{40}){90}' }, 'SCHEMA_UNSUPPORTED', /too large/],
  [{ pattern: '[ab]*a[ab]{14}$' }, 'SCHEMA_UNSUPPORTED', /too large/],
  [{ oneOf: [{ type: 'integer' }, { type: 'number' }] }, 'SCHEMA_UNSUPPORTED', /oneOf.*use anyOf/],
  [{ $ref: '#' }, 'SCHEMA_UNSUPPORTED', /refers to itself/],
  [{ $ref: 'https://example.com/x' }, 'SCHEMA_UNSUPPORTED', /\$ref "https/],
  [{ $ref: '#/$defs/gone' }, 'INVALID_ARGUMENT', /leads nowhere/],
  [{ minLength: -1 }, 'INVALID_ARGUMENT', /minLength must be a whole number/],
  [{ type: 'text' }, 'INVALID_ARGUMENT', /type "text"/],
  [[], 'INVALID_ARGUMENT', /no JSON Schema/],
  ['{', 'INVALID_ARGUMENT', /not JSON/],
  [{ description: 'x'.repeat(70_000) }, 'INVALID_ARGUMENT', /characters/],
  [{ type: 'object', minProperties: 2 }, 'SCHEMA_UNSUPPORTED', /minProperties 2/],
];

for (const [schema, code, said] of refusals) {
  test(`refused: ${JSON.stringify(schema).slice(0, 60)}`, () => {
    assert.throws(
      () => compileSchema(schema),
      (error: AfterimageError) => error.code === code && said.test(error.message),
    );
  });
}

/** Where the suite's own examples have what is only written where a schema asks for it: properties that it does not name. */
const WRITTEN_OTHERWISE = /ignores|other properties|additional|mismatch/;

/** Properties are written in the order of the schema. */
function spellings(data: unknown): string[] {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return [JSON.stringify(data)];
  return orders(Object.entries(data)).map((entries) => JSON.stringify(Object.fromEntries(entries)));
}

function orders<T>(list: readonly T[]): T[][] {
  if (list.length === 0) return [[]];
  return list.flatMap((one, i) => orders(list.toSpliced(i, 1)).map((rest) => [one, ...rest]));
}

describe('the published suite', () => {
  let compiled = 0;
  for (const { name, schema, tests } of publishedSuite()) {
    let recogniser: Recogniser;
    try {
      recogniser = new Recogniser(compileSchema(schema));
    } catch (error) {
      assert.ok(error instanceof AfterimageError, String(error));
      continue;
    }
    compiled++;
    test(name, () => {
      for (const { description: what, data, valid } of tests) {
        const allowed = spellings(data).some((text) => recogniser.accepts(text));
        if (!valid) assert.ok(!allowed, `${what}: ${JSON.stringify(data)} must be refused`);
        else if (!WRITTEN_OTHERWISE.test(what)) assert.ok(allowed, `${what}: ${JSON.stringify(data)}`);
      }
    });
  }
  test('most of it is supported', () => assert.ok(compiled >= 40, `${compiled} schemas`));
});
