// The family that is loaded alone is the registry's, and what a stranger calls his model names no other file.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { familyAlone } from '../../src/models/one-family.js';
import { families } from '../../src/models/registry.js';

test('every model type has the family that the registry has for it', async () => {
  for (const family of families)
    for (const model_type of family.modelTypes)
      assert.equal(await familyAlone({ config: { model_type } }), family, model_type);
});

test('a type that is the name of another file, or of none, is refused by name', async () => {
  for (const model_type of ['registry', 'rope', 'readers/hub', '../errors', 'florence9', '', 7, undefined])
    await assert.rejects(familyAlone({ config: { model_type } }), {
      code: 'MODEL_UNSUPPORTED',
      message: /is not supported; supported are/,
    });
});
