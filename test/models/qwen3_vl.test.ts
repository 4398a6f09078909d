// The tower's activation under both names that a config may give; every recorded checkpoint has the one that is published.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openCheckpoint } from '../../src/models/checkpoint/checkpoint-folder.js';
import { buildModel } from '../../src/models/registry.js';
import { CHECKPOINTS } from '../goldens/checkpoints.js';

const checkpoint = openCheckpoint(join(CHECKPOINTS, 'qwen3_vl'));

/** Of the first block's MLP. */
function activation(hidden_act: string): unknown {
  const vision_config = { ...(checkpoint.config['vision_config'] as object), hidden_act };
  const { vision } = buildModel({ ...checkpoint, config: { ...checkpoint.config, vision_config } });
  return vision.ops.find(({ op }) => op === 'activation')!.attrs['activation'];
}

for (const [said, meant] of [
  ['gelu', 'gelu'],
  ['gelu_pytorch_tanh', 'gelu_tanh'],
])
  test(`"${said}" is ${meant}`, () => assert.equal(activation(said!), meant));
