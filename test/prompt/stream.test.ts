import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Detokenizer, StopStrings, textAfter } from '../../src/prompt/stream.js';
import { Tokenizer } from '../../src/prompt/tokenizer.js';
import { familyFolder, familyNames, readFixture } from './families.js';

function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => (state = (state * 48271) % 2147483647) % below;
}

const TEXT = 'Tür 42: “漢字かな” 🙂👩‍👩‍👧 naïve\n\tfi — \ufeff=> 100 % ✓\n';

for (const name of familyNames) {
  const tokenizer = Tokenizer.load(familyFolder(name));
  const special = new Set(tokenizer.addedTokens.map(({ id }) => id));

  test(`${name}: streamed text equals the text decoded at once, in whole characters`, () => {
    const ids = tokenizer.encode(TEXT.repeat(6));
    const stream = new Detokenizer(tokenizer);
    const pieces = ids.map((id) => stream.push(id));
    for (const piece of pieces) assert.ok(!/[\ufffd\ud800-\udfff]/u.test(piece), JSON.stringify(piece));
    assert.equal(pieces.join('') + stream.end(), tokenizer.decode(ids));
  });

  test(`${name}: any tokens at all stream to what they decode to`, () => {
    const next = numbers(11);
    const usable = Array.from({ length: 560 }, (_, id) => id).filter(
      (id) => !special.has(id) && tokenizer.decode([id], false) !== '',
    );
    for (let round = 0; round < 40; round++) {
      const ids = Array.from({ length: 1 + next(80) }, () => usable[next(usable.length)]!);
      const stream = new Detokenizer(tokenizer);
      const streamed = ids.map((id) => stream.push(id)).join('') + stream.end();
      assert.equal(streamed, tokenizer.decode(ids), ids.join());
    }
  });
}

test('decoders that strip the first space strip only that one', () => {
  // As Llama's tokenizer.json has it.
  const steps = [
    { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    { type: 'Strip', content: ' ', start: 1, stop: 0 },
  ];
  const json = readFixture<Record<string, unknown>>('paligemma', 'tokenizer.json');
  const tokenizer = new Tokenizer({ ...json, decoder: { type: 'Sequence', decoders: steps } }, {});
  const ids = tokenizer.encode(' one two  three\n four'.repeat(5));
  const stream = new Detokenizer(tokenizer);
  assert.equal(ids.map((id) => stream.push(id)).join('') + stream.end(), tokenizer.decode(ids));
});

test('special tokens are not shown and do not disturb their neighbours', () => {
  const tokenizer = Tokenizer.load(familyFolder('qwen3_vl'));
  const ids = [...tokenizer.encode('né'), tokenizer.tokenId('<|im_end|>')!, ...tokenizer.encode('🙂 ok')];
  const stream = new Detokenizer(tokenizer);
  assert.equal(ids.map((id) => stream.push(id)).join('') + stream.end(), 'né🙂 ok');
});

test('an incomplete character at the end is shown as such', () => {
  const tokenizer = Tokenizer.load(familyFolder('qwen3_vl'));
  const ids = tokenizer.encode('x🙂').slice(0, -1);
  const stream = new Detokenizer(tokenizer);
  const shown = ids.map((id) => stream.push(id)).join('');
  assert.equal(shown, 'x');
  assert.match(stream.end(), /^\ufffd+$/);
});

test('a continued text keeps its space', () => {
  const tokenizer = Tokenizer.load(familyFolder('paligemma'));
  const stream = new Detokenizer(tokenizer, textAfter(tokenizer.encode('The')));
  assert.equal(
    tokenizer
      .encode(' cat')
      .map((id) => stream.push(id))
      .join('') + stream.end(),
    ' cat',
  );
});

test('stop strings end the text wherever the pieces are cut', () => {
  const whole = 'One. <|do|><|done|> Two.\nSTOP three';
  const next = numbers(3);
  for (const { stops, expected } of [
    { stops: ['<|done|>'], expected: 'One. <|do|>' },
    { stops: ['STOP', '\nSTO'], expected: 'One. <|do|><|done|> Two.' },
    { stops: ['absent', 'threee'], expected: whole },
    { stops: [], expected: whole },
    { stops: ['One'], expected: '' },
  ]) {
    for (let round = 0; round < 50; round++) {
      const stop = new StopStrings(stops);
      let shown = '';
      let stopped = false;
      for (let at = 0; at < whole.length;) {
        const length = 1 + next(6);
        const passed = stop.push(whole.slice(at, at + length));
        shown += passed.text;
        stopped ||= passed.stopped;
        assert.ok(expected.startsWith(shown), `"${shown}" shows too much`);
        at += length;
      }
      assert.equal(shown + stop.end(), expected);
      assert.equal(stopped, expected !== whole);
    }
  }
});

test('text that cannot become a stop string is shown at once', () => {
  const stop = new StopStrings(['\n\nUser:']);
  assert.deepEqual(stop.push('abc\n'), { text: 'abc', stopped: false });
  assert.deepEqual(stop.push('def'), { text: '\ndef', stopped: false });
});

test('an empty stop string is misuse', () => {
  assert.throws(() => new StopStrings(['']), TypeError);
});
