// Checkpoints as people have them, named on the command line; and what a model thinks, where it is asked for.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { thinker } from '../engine/thinker.js';
import { CHECKPOINTS } from '../goldens/checkpoints.js';
import { writePair } from '../models/gguf-writer.js';
import { withoutCore } from '../models/read-back.js';
import { scratchFolder } from '../scratch-folder.js';
import { afterimage } from './command.js';

const skip = withoutCore();
const picture = join(CHECKPOINTS, 'qwen2_vl', 'cases', '01-one-image', 'picture.png');
const ask = (...args: string[]) =>
  afterimage(['ask', picture, 'What is it?', '--max-tokens', '6', '--no-disk-cache', ...args]);

test('a GGUF file answers as the checkpoint it was made of', { skip }, async () => {
  const folder = scratchFolder('gguf');
  const source = join(CHECKPOINTS, 'qwen2_vl');
  writePair(source, folder, 'BF16');
  const exact = ['--precision', 'exact'];
  const expected = await ask('--model', source, ...exact);
  const file = join(folder, 'model.gguf');
  const actual = await ask('--model', file, '--vision', join(folder, 'mmproj-model.gguf'), ...exact);
  assert.equal(actual.code, 0, actual.stderr);
  assert.equal(actual.stdout, expected.stdout);
});

test('thoughts are printed where they are asked for, and never on stdout', { skip }, async () => {
  const model = thinker();
  const quiet = await ask('--model', model, '--thinking-tokens', '5');
  const loud = await ask('--model', model, '--thinking-tokens', '5', '--thinking', '--json');
  const aloud = await ask('--model', model, '--thinking-tokens', '5', '--thinking');
  assert.equal(quiet.code, 0, quiet.stderr);
  const { answer, thinking } = JSON.parse(loud.stdout) as { answer: string; thinking: string };
  assert.ok(thinking.length > 0);
  assert.equal(quiet.stdout.trim(), answer.trim());
  assert.equal(aloud.stdout, quiet.stdout);
  assert.ok(aloud.stderr.includes(thinking));
  assert.ok(!quiet.stderr.includes(thinking));
});
