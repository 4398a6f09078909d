// Arguments as clients and models really send them: what can only mean one thing is read as that, the rest is refused.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkArguments, ignoredNote } from '../../src/ask/arguments.js';
import { tools } from '../../tools/index.js';

const DEFAULTS: Record<string, object> = {
  describe_image: { detail: 'normal', verbose: false },
  ocr: { format: 'text', method: 'reader', max_tokens: 1024, verbose: false },
  compare_images: { threshold: 0.1, inline_difference: false, max_tokens: 384, verbose: false },
  chat_with_images: { fork: false, max_tokens: 512, verbose: false },
};

function check(tool: string, given: unknown) {
  return checkArguments(
    tools.find(({ name }) => name === tool)!,
    given,
  );
}

const part = { x: 1, y: 2, width: 30, height: 40 };

/** Given beside `image: "L"`, and what is left beside it and the defaults. */
const DESCRIBE: [what: string, given: Record<string, unknown>, read: Record<string, unknown>][] = [
  ['a number as text', { max_tokens: '8' }, { max_tokens: 8 }],
  ['a number as text with blanks', { max_tokens: ' 8.0 ' }, { max_tokens: 8 }],
  ['nulls', { max_tokens: null, session_id: null, region: null, question: null, detail: null }, {}],
  ['empty texts', { max_tokens: '', session_id: '', region: '', question: '', detail: '' }, {}],
  ['"null"', { max_tokens: 'null', session_id: 'null', region: 'None', question: 'null' }, {}],
  ['a session with blanks around it', { session_id: ' abc\n' }, { session_id: 'abc' }],
  ['a region as JSON', { region: JSON.stringify(part) }, { region: part }],
  [
    'a region as Python prints it',
    { region: "{'x': 1, 'y': 2, 'width': 30, 'height': 40}" },
    { region: part },
  ],
  ['a region of texts', { region: { x: '1', y: '2', width: '30', height: '40' } }, { region: part }],
  ['a region as a list', { region: [1, 2, 30, 40] }, { region: part }],
  ['a region as a list of texts', { region: ['1', '2', '30', '40'] }, { region: part }],
  ['a region as a list in text', { region: '[1, 2, 30, 40]' }, { region: part }],
  ['a region with commas', { region: '1,2,30,40' }, { region: part }],
  ['a region with commas and blanks', { region: ' 1, 2, 30, 40 ' }, { region: part }],
  ['a region with brackets', { region: '(1, 2, 30, 40)' }, { region: part }],
  ['a region with names', { region: 'x=1, y=2, width=30, height=40' }, { region: part }],
  ['a region with short names', { region: { left: 1, top: 2, w: 30, h: 40 } }, { region: part }],
  ['a region of zeros', { region: { x: 0, y: 0, width: 0, height: 0 } }, {}],
  ['a region of zeros as a list', { region: '0,0,0,0' }, {}],
  ['an empty region', { region: {} }, {}],
  ['a region of nulls', { region: { x: null, y: null, width: null, height: null } }, {}],
  ['another case', { detail: ' Brief ' }, { detail: 'brief' }],
  ['a switch as text', { verbose: 'True' }, { verbose: true }],
  ['a switch as a number', { verbose: 1 }, { verbose: true }],
  ['an image in a list', { image: ['L'] }, {}],
];

describe('describe_image', () => {
  for (const [what, given, read] of DESCRIBE) {
    test(what, () => {
      const { args, ignored } = check('describe_image', { image: 'L', ...given });
      assert.deepEqual(args, { image: 'L', ...DEFAULTS['describe_image'], ...read });
      assert.deepEqual(ignored, []);
    });
  }

  test('all arguments as one text', () => {
    assert.deepEqual(check('describe_image', '{"image": "L"}').args['image'], 'L');
  });

  test('keys of others are ignored and named', () => {
    const { args, ignored } = check('describe_image', {
      image: 'L',
      toolCallId: 'call_x',
      sessionId: 'a',
      region: { ...part, unit: 'px' },
      'a\nb': 1,
    });
    assert.deepEqual(args['region'], part);
    assert.deepEqual(ignored, ['toolCallId', 'sessionId', 'region.unit', 'a\nb']);
    assert.equal(
      ignoredNote(ignored),
      'Ignored, as this tool has no such arguments: toolCallId, sessionId, region.unit, a?b.',
    );
    assert.equal(ignoredNote([]), undefined);
    assert.ok(ignoredNote(Array.from({ length: 500 }, () => 'k'.repeat(500)))!.length < 500);
  });
});

const CHAT: [what: string, given: Record<string, unknown>, read: Record<string, unknown>][] = [
  ['one path', { images: 'L' }, { images: ['L'] }],
  ['a path that begins with a bracket', { images: '[1] L.png' }, { images: ['[1] L.png'] }],
  ['a list as JSON', { images: '["L", "M"]' }, { images: ['L', 'M'] }],
  ['a list as Python prints it', { images: "['L', 'M']" }, { images: ['L', 'M'] }],
  ['blanks in a list', { images: ['L', null, ''] }, { images: ['L'] }],
  ['no list', { images: '' }, {}],
  ['a switch as text', { images: ['L'], fork: 'false' }, { images: ['L'] }],
  ['no message', { message: null, session_id: 'abc' }, { message: '', session_id: 'abc' }],
];

describe('chat_with_images', () => {
  for (const [what, given, read] of CHAT) {
    test(what, () => {
      const { args } = check('chat_with_images', { message: 'hi', ...given });
      assert.deepEqual(args, { message: 'hi', ...DEFAULTS['chat_with_images'], ...read });
    });
  }

  test('a message left out continues', () => assert.equal(check('chat_with_images', {}).args['message'], ''));
});

describe('lists of other things', () => {
  test('one language', () => {
    const { args } = check('ocr', { image: 'L', languages: 'German', format: null });
    assert.deepEqual(args, { image: 'L', ...DEFAULTS['ocr'], languages: ['German'] });
  });

  for (const [what, given] of [
    ['an object', part],
    ['a list of numbers', [1, 2, 30, 40]],
    ['a list of lists', [[1, 2, 30, 40]]],
    ['text', '1,2,30,40'],
    ['JSON', JSON.stringify([part])],
    ['JSON of one', JSON.stringify(part)],
    ['JSON of numbers', '[1,2,30,40]'],
    ['a list of texts', ['1,2,30,40']],
    ['beside zeros and nulls', [null, part, { x: 0, y: 0, width: 0, height: 0 }]],
  ] as const) {
    test(`one rectangle as ${what}`, () => {
      const { args } = check('compare_images', {
        image_a: 'L',
        image_b: 'L',
        threshold: '0.1',
        ignore_regions: given,
      });
      assert.deepEqual(args, {
        image_a: 'L',
        image_b: 'L',
        ...DEFAULTS['compare_images'],
        ignore_regions: [part],
      });
    });
  }
});

/** What has no single meaning. */
const REFUSED: [tool: string, given: unknown, message: RegExp, code?: string][] = [
  ['describe_image', {}, /image is missing/],
  ['describe_image', { path: 'L' }, /image is missing.*no path/],
  ['describe_image', { image: 7 }, /image: /],
  ['describe_image', { image: ['L', 'M'] }, /image: /],
  ['describe_image', { image: 'L', max_tokens: 'many' }, /max_tokens: /],
  ['describe_image', { image: 'L', max_tokens: '0x10' }, /max_tokens: /],
  ['describe_image', { image: 'L', max_tokens: '8.5' }, /max_tokens: /],
  ['describe_image', { image: 'L', region: [1, 2, 30] }, /region: /],
  ['describe_image', { image: 'L', region: '1,2,30' }, /region: /],
  ['describe_image', { image: 'L', region: 'the top' }, /region: /],
  ['describe_image', { image: 'L', region: { x: 1 } }, /region.y is missing/],
  ['describe_image', { image: 'L', verbose: 'perhaps' }, /verbose: /],
  ['describe_image', { image: 'L', detail: 'tiny' }, /detail: /],
  ['describe_image', ['L'], /arguments: /],
  ['describe_image', 'L', /arguments: /],
  ['chat_with_images', { message: 'hi', images: Array(6).fill('L') }, /images: /, 'TOO_MANY_IMAGES'],
  ['chat_with_images', { message: 'hi', images: { a: 1 } }, /images.0: /],
  ['chat_with_images', { message: 'hi', images: [7] }, /images.0: /],
  ['ocr', { image: 'L', languages: Array(9).fill('German') }, /languages: /],
];

for (const [tool, given, message, code = 'INVALID_ARGUMENT'] of REFUSED) {
  test(`${tool} refuses ${JSON.stringify(given).slice(0, 60)}`, () =>
    assert.throws(() => check(tool, given), { code, message }));
}

test('the given arguments stay as they are', () => {
  const given = { image: 'L', region: { x: '1', y: '2', width: '30', height: '40' }, foreign: 1 };
  const copy = structuredClone(given);
  check('describe_image', given);
  assert.deepEqual(given, copy);
});
