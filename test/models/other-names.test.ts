// Families whose files come under other names too, with joined projections of q, k and v: the goldens of the usual form, renamed.
import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkCheckpoint } from '../goldens/check-checkpoint.js';
import { CHECKPOINTS } from '../goldens/checkpoints.js';
import { readSafetensors } from '../goldens/reference-weights.js';
import { openModel } from '../../src/models/registry.js';
import { scratchFolder } from '../scratch-folder.js';
import { withoutCore } from './read-back.js';
import { safetensors, type Tensors } from './tiny-checkpoint.js';

type Json = Record<string, unknown>;
type Renaming = [RegExp, string][];

/** The family's checkpoint with other names, what becomes `….qkv.q` and so on joined, and JSON files as `change` makes them. */
function renamed(family: string, names: Renaming, change: Record<string, (json: Json) => Json> = {}): string {
  const folder = scratchFolder('renamed');
  cpSync(join(CHECKPOINTS, family), folder, { recursive: true });
  const file = join(folder, 'model.safetensors');
  const tensors: Tensors = {};
  const joined = new Map<string, Uint8Array[]>();
  for (const [name, { dtype, shape, bytes }] of readSafetensors([file])) {
    const rule = names.find(([pattern]) => pattern.test(name));
    const to = rule ? name.replace(...rule) : name;
    const whole = to.replace(/\.qkv\.([qkv])\./, '.qkv.');
    const places = /\.qkv\.([qkv])\./.exec(to);
    if (!places) {
      tensors[to] = { dtype, shape, bytes };
      continue;
    }
    const parts = joined.get(whole) ?? [];
    parts['qkv'.indexOf(places[1]!)] = bytes;
    joined.set(whole, parts);
    tensors[whole] = { dtype, shape: [3 * shape[0]!, ...shape.slice(1)] };
  }
  for (const [name, parts] of joined) tensors[name]!.bytes = Buffer.concat(parts);
  writeFileSync(file, safetensors(tensors));
  for (const [name, of] of Object.entries(change)) {
    const json = join(folder, name);
    writeFileSync(json, JSON.stringify(of(JSON.parse(readFileSync(json, 'utf8')) as Json)));
  }
  return folder;
}

const CHAT: Renaming = [
  [/^vision_tower\.embeddings\.cls_token$/, 'vision_model.embeddings.class_embedding'],
  [/^vision_tower\.embeddings\.position_embeddings$/, 'vision_model.embeddings.position_embedding'],
  [/^vision_tower\.embeddings\.patch_embeddings\.projection\./, 'vision_model.embeddings.patch_embedding.'],
  [
    /^vision_tower\.encoder\.layer\.(\d+)\.attention\.([qkv])_proj\./,
    'vision_model.encoder.layers.$1.attn.qkv.$2.',
  ],
  [
    /^vision_tower\.encoder\.layer\.(\d+)\.attention\.projection_layer\./,
    'vision_model.encoder.layers.$1.attn.proj.',
  ],
  [/^vision_tower\.encoder\.layer\.(\d+)\.attention\./, 'vision_model.encoder.layers.$1.attn.'],
  [/^vision_tower\.encoder\.layer\.(\d+)\.layernorm_before\./, 'vision_model.encoder.layers.$1.norm1.'],
  [/^vision_tower\.encoder\.layer\.(\d+)\.layernorm_after\./, 'vision_model.encoder.layers.$1.norm2.'],
  [/^vision_tower\.encoder\.layer\.(\d+)\.lambda_/, 'vision_model.encoder.layers.$1.ls'],
  [/^vision_tower\.encoder\.layer\./, 'vision_model.encoder.layers.'],
  [/^multi_modal_projector\.layer_norm\./, 'mlp1.0.'],
  [/^multi_modal_projector\.linear_1\./, 'mlp1.1.'],
  [/^multi_modal_projector\.linear_2\./, 'mlp1.3.'],
];

/** config.json of the publisher's own code. */
function chatConfig({ text_config, vision_config, vision_feature_layer, ...rest }: Json): Json {
  const { attention_bias, use_qk_norm, ...vision } = vision_config as Json;
  return {
    ...rest,
    model_type: 'internvl_chat',
    image_token_id: undefined,
    llm_config: text_config,
    select_layer: vision_feature_layer,
    ps_version: 'v2',
    vision_config: { ...vision, qkv_bias: attention_bias, qk_normalization: use_qk_norm },
  };
}

const chat = (family: string): string =>
  renamed(family, CHAT, {
    'config.json': chatConfig,
    'preprocessor_config.json': ({ size, ...rest }) => ({
      ...rest,
      size: (size as { height: number }).height,
    }),
  });

const MLX_PADDLE: Renaming = [
  [
    /^visual\.vision_model\.encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\./,
    'visual.layers.$1.self_attn.qkv.$2.',
  ],
  [/^visual\.vision_model\.encoder\./, 'visual.'],
  [/^visual\.vision_model\./, 'visual.'],
  [/^mlp_AR\./, 'visual.projector.'],
  [/^(model|lm_head)\./, 'language_model.$1.'],
];

const FORMS: Record<string, () => string> = {
  'InternVL 3 as internvl_chat': () => chat('internvl'),
  'InternVL 3.5 with the large tower as internvl_chat': () => chat('internvl_qwen3'),
  "PaddleOCR-VL in MLX's layout": () => renamed('paddleocr_vl', MLX_PADDLE),
};

for (const [name, folder] of Object.entries(FORMS)) {
  test(name, { skip: withoutCore() }, async () => {
    const { passed, failures } = await checkCheckpoint(folder());
    assert.deepEqual(failures, []);
    assert.ok(passed > 0);
  });
}

test('InternVL of the first generation is refused by name', () => {
  const folder = renamed('internvl', CHAT, {
    'config.json': (config) => ({ ...chatConfig(config), ps_version: 'v1' }),
  });
  assert.throws(() => openModel(folder), {
    code: 'MODEL_UNSUPPORTED',
    message: /first generation.*InternVL3-8B-hf/,
  });
});
