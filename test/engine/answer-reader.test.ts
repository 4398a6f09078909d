// An answer that is cut anywhere and continued reads as the one that was never cut.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerReader } from '../../src/engine/answer-reader.js';
import type { AskOptions } from '../../src/engine/engine.js';
import { Detokenizer, textAfter } from '../../src/prompt/stream.js';
import { Tokenizer } from '../../src/prompt/tokenizer.js';
import { familyFolder } from '../prompt/families.js';

const tokenizer = Tokenizer.load(familyFolder('qwen3_vl'));
const text = 'naïve 漢字 🙂 says "stop here", not there';
const ids = tokenizer.encode(text);
const question = tokenizer.encode('Read.');

function read(tokens: readonly number[], options: Pick<AskOptions, 'stop' | 'continues' | 'onText'> = {}) {
  const detokenizer = new Detokenizer(tokenizer, textAfter(question));
  const source = {
    push: async (next: readonly number[]) => next.map((id) => detokenizer.push(id)),
    end: async () => detokenizer.end(),
  };
  const reader = new AnswerReader(source, options, () => {});
  for (const id of tokens) reader.push([id]);
  return reader;
}

test('cut after any token, also within a character, the continuation completes it', async () => {
  for (let at = 0; at <= ids.length; at++) {
    const cut = await read(ids.slice(0, at)).end('length');
    assert.ok(!cut.text.includes('\ufffd'), `half a character: ${cut.text}`);
    assert.ok(text.startsWith(cut.text));
    let said = '';
    const rest = await read(ids.slice(at), { continues: cut, onText: (more) => (said += more) }).end('end');
    assert.equal(rest.text, text);
    assert.equal(cut.text + said, text, 'only what is new is said');
    assert.deepEqual(rest.tokenIds, ids);
  }
});

test('cancelled within a character, the answer leaves it to the continuation', async () => {
  const whole = tokenizer.encode('漢');
  const cut = await read(whole.slice(0, 1)).end('cancelled');
  assert.deepEqual([cut.text, cut.tokenIds.length], ['', 1]);
});

test('a stop string is found across the cut', async () => {
  for (let at = 0; at < ids.length; at++) {
    const cut = await read(ids.slice(0, at), { stop: ['stop here'] }).end('length');
    if (cut.stopReason === 'stop') continue;
    const rest = await read(ids.slice(at), { stop: ['stop here'], continues: cut }).end('end');
    assert.equal(rest.text, 'naïve 漢字 🙂 says "');
    assert.equal(rest.stopReason, 'stop');
  }
});

test('what ends within a character says so', async () => {
  const whole = tokenizer.encode('漢');
  assert.ok(whole.length > 1, 'the vocabulary of the fixture spells it in bytes');
  assert.equal((await read(whole.slice(0, 1)).end('end')).text, '\ufffd');
});

test('how probable each token was comes with the length of the text up to it', async () => {
  const reader = read(ids.slice(0, 3));
  const { text } = await reader.end('length');
  const certainty = reader.certainty({ probabilities: Float32Array.of(0.5, 0.25, 0.75) });
  assert.deepEqual(
    certainty.map(({ probability }) => probability),
    [0.5, 0.25, 0.75],
  );
  assert.equal(certainty.at(-1)!.end, text.length);
  assert.ok(certainty[0]!.end < certainty[1]!.end);
});
