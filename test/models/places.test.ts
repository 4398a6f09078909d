// How each family writes places, and PaliGemma's own words and tokens for them.
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { test } from 'node:test';
import { openModel } from '../../src/models/registry.js';
import { locateQuestion } from '../../src/prompt/layout.js';
import { parsePlaces } from '../../src/prompt/places.js';
import { Tokenizer } from '../../src/prompt/tokenizer.js';
import { checkpointFolders } from '../goldens/checkpoints.js';

/** The unit of coordinates; of lines of text, too, where the model was trained to write those. */
const SCALES: Record<string, [scale: string, lines: boolean]> = {
  qwen2_vl: ['relative-1000', true],
  qwen2_5_vl: ['viewed-pixels', true],
  qwen3_vl: ['relative-1000', true],
  qwen3_vl_moe: ['relative-1000', true],
  qwen3_5: ['relative-1000', true],
  qwen3_5_moe: ['relative-1000', true],
  internvl: ['relative-1000', false],
  glm4v: ['relative-1000', false],
  locateanything: ['relative-1000', false],
  kimi_vl: ['relative-1', false],
  kimi_k25: ['relative-1', false],
  paligemma: ['relative-1024', false],
};

test('every family says how it writes places, or that it does not', () => {
  const seen = new Set<string>();
  for (const folder of checkpointFolders()) {
    const { modelType, boxes } = openModel(folder).model;
    seen.add(modelType);
    assert.deepEqual(boxes && [boxes.scale, boxes.lines], SCALES[modelType] ?? null, basename(folder));
  }
  for (const known of ['qwen2_vl', 'qwen2_5_vl', 'qwen3_vl', 'paligemma']) assert.ok(seen.has(known), known);
});

test('each scale is asked for in its own words', () => {
  assert.match(locateQuestion('the\n pen ', 'relative-1000'), /"bbox_2d".*\nthe pen$/);
  assert.match(locateQuestion('the pen', 'viewed-pixels'), /"bbox_2d"/);
  assert.match(locateQuestion('the pen', 'relative-1'), /from 0 to 1.*\nthe pen$/);
  assert.equal(locateQuestion('the pen', 'relative-1024'), 'detect the pen');
});

test('PaliGemma is asked in the words that it was trained on alone, and its coordinates are text', () => {
  const folder = checkpointFolders().find((path) => basename(path) === 'paligemma')!;
  const { renderPrompt } = openModel(folder).model;
  const turns = (text: string) => [
    { text: 'You look at images.', images: 0 },
    { text, images: 1 },
  ];
  assert.equal(renderPrompt!(turns('detect the pen')), '<image><bos>detect the pen\n');
  assert.equal(renderPrompt!(turns('What is it?')), '<image><bos>You look at images.\nWhat is it?\n');
  const tokenizer = Tokenizer.load(folder);
  const ids = ['<loc0001>', '<loc0000>', '<loc0003>', '<loc0002>'].map((token) => tokenizer.tokenId(token));
  assert.ok(ids.every((id) => id !== undefined));
  const bos = tokenizer.tokenId('<bos>')!;
  const answer = tokenizer.decode([bos, ...(ids as number[])]);
  assert.equal(answer, '<loc0001><loc0000><loc0003><loc0002>');
  const size = { width: 2048, height: 1024 };
  const [place] = parsePlaces(answer, {
    scale: 'relative-1024',
    viewed: { width: 224, height: 224 },
    original: size,
  });
  assert.deepEqual(place?.box, { x: 0, y: 1, width: 4, height: 2 });
});
