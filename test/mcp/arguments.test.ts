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
  ['an image in a list in text', { image: '["L"]' }, {}],
  ['a region by its corners', { region: { left: 1, top: 2, right: 31, bottom: 42 } }, { region: part }],
  [
    'a region by two points',
    {
      region: [
        [1, 2],
        [31, 42],
      ],
    },
    { region: part },
  ],
  ['a region as x1, y1, x2, y2', { region: { x1: 1, y1: 2, x2: 31, y2: 42 } }, { region: part }],
  ['a region as x_min', { region: { x_min: 1, y_min: 2, x_max: '31', y_max: 42 } }, { region: part }],
  ['a region as xmin', { region: { xmin: 1, ymin: 2, xmax: 31, ymax: 42 } }, { region: part }],
  ['a region in capitals', { region: { X: 1, Y: 2, Width: 30, HEIGHT: 40 } }, { region: part }],
  ['a region in px', { region: { x: '1px', y: '2 px', width: '30px', height: '40px' } }, { region: part }],
  ['a region in px with commas', { region: '1px, 2px, 30px, 40px' }, { region: part }],
  ['a region as ImageMagick writes it', { region: '30x40+1+2' }, { region: part }],
  ['a region in a list', { region: [part] }, { region: part }],
  ['a region as a list in a list', { region: [[1, 2, 30, 40]] }, { region: part }],
  ['a region in a region', { region: { region: part } }, { region: part }],
  [
    'a region by position and size',
    { region: { position: { x: 1, y: 2 }, size: { width: 30, height: 40 } } },
    { region: part },
  ],
  ['parts of pixels', { region: { x: 1.4, y: 2, width: 29.6, height: 40 } }, { region: part }],
  ['a region under another name', { bbox: [1, 2, 30, 40] }, { region: part }],
  ['a region that is no part', { region: 'full image' }, {}],
  ['no region as false', { region: false }, {}],
  ['no region as a list', { region: [] }, {}],
  ['a quoted number', { max_tokens: '"8"' }, { max_tokens: 8 }],
  ['a number in a list', { max_tokens: [8] }, { max_tokens: 8 }],
  ['a number that is left to us', { max_tokens: 'auto', detail: 'default' }, {}],
  ['a number where a text is due', { question: 5 }, { question: '5' }],
  ['a quoted choice', { detail: '"full"' }, { detail: 'full' }],
  ['a choice in a list', { detail: ['full'] }, { detail: 'full' }],
  ['a quoted switch', { verbose: '"true"' }, { verbose: true }],
  ['no session', { session_id: 'N/A' }, {}],
  ['names in capitals', { QUESTION: 'hi', maxTokens: 8 }, { question: 'hi', max_tokens: 8 }],
  ['a question under another name', { prompt: 'hi' }, { question: 'hi' }],
];

describe('an image', () => {
  const id = `img_${'0'.repeat(32)}`;
  for (const [what, given, read = 'L'] of [
    ['under another name', { path: 'L' }],
    ['under the name of a list', { images: ['L'] }],
    ['as the parts of chat completions', { image: { type: 'image_url', image_url: { url: 'L' } } }],
    [
      'as a part of MCP',
      { image: { type: 'image', data: 'iVBORw0KGgo', mimeType: 'image/png' } },
      'iVBORw0KGgo',
    ],
    [
      'as a part with a source',
      { image: { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBO' } } },
      'iVBO',
    ],
    ['as an object in text', { image: '{"path": "L"}' }],
    ['by its id in an object', { image: { image_id: id, width: 3 } }, id],
    ['in a name that is quoted', { '"image"': 'L' }],
    ['in arguments of arguments', { arguments: { image: 'L' } }],
    ['in text of arguments', { params: '{"image": "L"}' }],
    ['in a fence', '```json\n{"image": "L"}\n```'],
    ['with a comma too many', '{"image": "L",}'],
    ['in a list of arguments', [{ image: 'L' }]],
  ] as [string, unknown, string?][]) {
    test(what, () => {
      const { args, ignored } = check('describe_image', given);
      assert.equal(args['image'], read);
      assert.deepEqual(ignored, []);
    });
  }

  test('its own name goes before others', () => {
    const { args, ignored } = check('describe_image', { path: 'M', image: 'L' });
    assert.deepEqual([args['image'], ignored], ['L', ['path']]);
  });

  for (const given of [
    { images: ['L', 'M'] },
    { before: 'L', after: 'M' },
    { image1: 'L', image2: 'M' },
    { imageA: 'L', imageB: 'M' },
  ]) {
    test(`two of a comparison as ${Object.keys(given).join(', ')}`, () => {
      const { args } = check('compare_images', given);
      assert.deepEqual([args['image_a'], args['image_b']], ['L', 'M']);
    });
  }
});

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
    assert.deepEqual(ignored, ['toolCallId', 'sessionId', 'a\nb', 'region.unit']);
    assert.equal(
      ignoredNote(ignored),
      'Ignored, as this tool has no such arguments: toolCallId, sessionId, a?b, region.unit.',
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
  ['one a line', { images: 'L\nM\n' }, { images: ['L', 'M'] }],
  ['one a line with bullets', { images: '- L\n- M' }, { images: ['L', 'M'] }],
  ['with quotes and commas', { images: '"L", "M"' }, { images: ['L', 'M'] }],
  ['whole paths with commas', { images: '/a b/L.png, /M.jpg' }, { images: ['/a b/L.png', '/M.jpg'] }],
  ['a name with a comma', { images: '/a, b.png' }, { images: ['/a, b.png'] }],
  ['a list in a list', { images: [['L', 'M']] }, { images: ['L', 'M'] }],
  ['a list in a text in a list', { images: ['["L", "M"]'] }, { images: ['L', 'M'] }],
  ['a list as XML becomes', { images: { item: ['L', 'M'] } }, { images: ['L', 'M'] }],
  ['a list with numbers', { images: { 0: 'L', 1: 'M' } }, { images: ['L', 'M'] }],
  ['objects', { images: [{ path: 'L' }, { url: 'M' }] }, { images: ['L', 'M'] }],
  ['one image', { image: 'L' }, { images: ['L'] }],
  [
    'data in lines',
    { images: 'data:image/png;base64,AAAA\nBBBB' },
    { images: ['data:image/png;base64,AAAA\nBBBB'] },
  ],
  [
    'lines of base64',
    { images: `${'A'.repeat(76)}\n${'B'.repeat(76)}` },
    { images: [`${'A'.repeat(76)}\n${'B'.repeat(76)}`] },
  ],
  ['another name of the message', { message: null, question: 'hi' }, { message: 'hi' }],
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
  test('several rectangles in one text or one list', () => {
    const other = { x: 5, y: 6, width: 7, height: 8 };
    for (const ignore_regions of [
      '1,2,30,40; 5,6,7,8',
      [1, 2, 30, 40, 5, 6, 7, 8],
      '[[1,2,30,40],[5,6,7,8]]',
    ]) {
      const { args } = check('compare_images', { image_a: 'L', image_b: 'L', ignore_regions });
      assert.deepEqual(args['ignore_regions'], [part, other]);
    }
  });

  test('several languages in one text', () => {
    for (const languages of ['German, English', 'German+English', '["German", "English"]'])
      assert.deepEqual(check('ocr', { image: 'L', languages }).args['languages'], ['German', 'English']);
    assert.deepEqual(check('ocr', { image: 'L', language: 'German' }).args['languages'], ['German']);
  });

  test('a number that is looked for', () =>
    assert.equal(check('ocr', { image: 'L', find: 4821 }).args['find'], '4821'));

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
    ['by its corners', { left: 1, top: 2, right: 31, bottom: 42 }],
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
  ['describe_image', { chatInput: 'L' }, /image is missing.*no chatInput/],
  ['describe_image', { images: ['L', 'M'] }, /image: /],
  ['describe_image', { image: { width: 9 } }, /image: /],
  ['describe_image', { image: 7 }, /image: /],
  ['describe_image', { image: ['L', 'M'] }, /image: /],
  ['describe_image', { image: 'L', max_tokens: 'many' }, /max_tokens: /],
  ['describe_image', { image: 'L', max_tokens: '0x10' }, /max_tokens: /],
  ['describe_image', { image: 'L', max_tokens: '8.5' }, /max_tokens: /],
  ['describe_image', { image: 'L', region: [1, 2, 30] }, /region: /],
  ['describe_image', { image: 'L', region: '1,2,30' }, /region: /],
  [
    'describe_image',
    { image: 'L', region: 'the top' },
    /region: expected x, y, width and height in whole pixels/,
  ],
  [
    'describe_image',
    { image: 'L', region: { x: 0.1, y: 0.2, width: 0.5, height: 0.5 } },
    /region.x: .*pixels/,
  ],
  ['describe_image', { image: 'L', region: { area: 'top', of: 'page' } }, /region.x is missing/],
  ['describe_image', { image: 'L', region: [[1, 2], [3]] }, /region: /],
  ['describe_image', { image: 'L', region: [1, 2, 3, 4, 5] }, /region: /],
  ['describe_image', { image: 'L', max_tokens: '1,024' }, /max_tokens: /],
  ['describe_image', { image: 'L', detail: 'high' }, /detail: .*brief.*normal.*full/],
  ['describe_image', { image: 'L', question: { text: 'hi' } }, /question: /],
  ['compare_images', { images: ['L', 'M', 'N'] }, /image_a is missing/],
  ['compare_images', { images: ['L', 'M'], image_a: 'K' }, /image_b is missing/],
  ['describe_image', { image: 'L', region: { x: 1 } }, /region.y is missing/],
  ['describe_image', { image: 'L', verbose: 'perhaps' }, /verbose: /],
  ['describe_image', { image: 'L', detail: 'tiny' }, /detail: /],
  ['describe_image', ['L'], /arguments: /],
  ['describe_image', 'L', /arguments: /],
  ['chat_with_images', { message: 'hi', images: Array(6).fill('L') }, /images: /, 'TOO_MANY_IMAGES'],
  ['chat_with_images', { message: 'hi', images: { a: 1 } }, /images.0: /],
  ['chat_with_images', { message: 'hi', images: Array(2000).fill('L') }, /images: /, 'TOO_MANY_IMAGES'],
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

test('long texts of nothing are refused at once', () => {
  for (const text of [
    ' '.repeat(90_000),
    `\`\`\`${' '.repeat(90_000)}x`,
    `[${' '.repeat(90_000)}`,
    ', '.repeat(40_000),
  ]) {
    const start = performance.now();
    for (const given of [
      { images: text },
      { images: [text] },
      { region: text },
      { ignore_regions: text },
      { languages: text },
    ])
      for (const tool of tools) {
        try {
          checkArguments(tool, { image: 'L', image_a: 'L', image_b: 'L', ...given });
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'INVALID_ARGUMENT');
        }
      }
    assert.ok(performance.now() - start < 5000);
  }
});
