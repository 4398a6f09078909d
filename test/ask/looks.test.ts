// What reuse saved: only what was measured here, of the same pictures and the same model.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Looks } from '../../src/ask/looks.js';
import type { Picture } from '../../src/ask/conversations.js';
import { NOTHING_DONE, type CacheReport } from '../../src/engine/engine.js';

const picture = (pixelHash: string, maxPixels?: number) =>
  ({ input: { pixelHash, maxPixels } }) as unknown as Picture;
const cold: CacheReport = {
  ...NOTHING_DONE,
  image_tokens: 100,
  prompt_tokens: 120,
  encode_ms: 800,
  prefill_ms: 400,
};
const warm: CacheReport = {
  ...cold,
  image_tokens_reused: 100,
  encode_ms: 0,
  prefill_ms: 30,
  source: 'memory',
};

test('a second look saved what the first one took, less its own time', () => {
  const looks = new Looks();
  assert.deepEqual(looks.weighed('m', [picture('a')], cold), cold);
  assert.equal(looks.weighed('m', [picture('a')], warm).saved_ms, 1170);
  const both = looks.weighed('m', [picture('a'), picture('b')], warm);
  assert.equal(both.saved_ms, undefined, 'of the other the price is not known');
});

test('nothing is claimed for another model or size, what others computed, or what took longer', () => {
  const looks = new Looks();
  assert.equal(looks.weighed('m', [picture('a')], warm).saved_ms, undefined);
  looks.weighed('m', [picture('a')], cold);
  assert.equal(looks.weighed('n', [picture('a')], warm).saved_ms, undefined);
  assert.equal(looks.weighed('m', [picture('a', 1024)], warm).saved_ms, undefined);
  assert.equal(looks.weighed('m', [picture('a')], { ...warm, prefill_ms: 5000 }).saved_ms, undefined);
  assert.equal(looks.weighed('m', [], warm).saved_ms, undefined);
  assert.deepEqual(looks.weighed('m', [picture('a')], NOTHING_DONE), NOTHING_DONE);
});

test('what an engine does not report is not made up', () => {
  const looks = new Looks();
  looks.weighed('m', [picture('a')], cold);
  const remote: CacheReport = { image_tokens: 100, image_tokens_reused: 100, source: 'remote' };
  assert.deepEqual(looks.weighed('m', [picture('a')], remote), remote);
});

test('several pictures that were seen at once share what they took', () => {
  const looks = new Looks();
  looks.weighed('m', [picture('a'), picture('b')], cold);
  assert.equal(looks.weighed('m', [picture('b')], warm).saved_ms, 570);
});
