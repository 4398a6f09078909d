// Checkpoints that one public collection compares (github.com/jrp2014/check_models, 2026), and fine-tunes that people run
// under the names of other families: each is taken, or refused by the name of what it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireReadableQuantization } from '../../src/models/checkpoint/stated-quantization.js';
import type { Checkpoint } from '../../src/models/checkpoint/checkpoint.js';
import { buildModel, families, familyOf } from '../../src/models/registry.js';
import { parsePlaces } from '../../src/prompt/places.js';
import type { BoxScale } from '../../src/image/region.js';

const mlx = (bits: number, mode = 'affine', group_size = 64) => ({
  quantization: { bits, mode, group_size },
});
const PLAIN = {};

/** model_type → its checkpoints, with how each is quantized. */
const TAKEN: Record<string, Record<string, object>> = {
  gemma3: {
    'mlx-community/gemma-3-27b-it-qat-4bit': mlx(4),
    'mlx-community/gemma-3-27b-it-qat-8bit': mlx(8),
  },
  gemma3n: { 'mlx-community/gemma-3n-E4B-it-bf16': PLAIN, 'mlx-community/gemma-3n-E2B-4bit': mlx(4) },
  gemma4: {
    'mlx-community/gemma-4-26b-a4b-it-4bit': mlx(4),
    'mlx-community/gemma-4-31b-it-4bit': mlx(4),
    'mlx-community/gemma-4-31b-bf16': PLAIN,
  },
  glm4v: {
    'mlx-community/GLM-4.6V-Flash-6bit': mlx(6),
    'mlx-community/GLM-4.6V-Flash-mxfp4': mlx(4, 'mxfp4', 32),
  },
  idefics3: {
    'HuggingFaceTB/SmolVLM-Instruct': PLAIN,
    'mlx-community/SmolVLM-Instruct-bf16': PLAIN,
    'mlx-community/Idefics3-8B-Llama3-bf16': PLAIN,
  },
  smolvlm: { 'mlx-community/SmolVLM2-2.2B-Instruct-mlx': PLAIN },
  kimi_vl: {
    'jqlive/Kimi-VL-A3B-Thinking-2506-6bit': mlx(6),
    'mlx-community/Kimi-VL-A3B-Thinking-8bit': mlx(8),
    'mlx-community/Kimi-VL-A3B-Thinking-2506-bf16': PLAIN,
  },
  'lfm2-vl': {
    'LiquidAI/LFM2.5-VL-450M-MLX-bf16': PLAIN,
    'mlx-community/LFM2-VL-1.6B-8bit': mlx(8),
    'mlx-community/LFM2.5-VL-1.6B-bf16': PLAIN,
  },
  locateanything: { 'nvidia/LocateAnything-3B': PLAIN },
  llava_next: { 'mlx-community/llava-v1.6-mistral-7b-8bit': mlx(8) },
  minicpmv4_6: { 'mlx-community/MiniCPM-V-4.6-8bit': mlx(8) },
  mistral3: {
    'mlx-community/Ministral-3-3B-Instruct-2512-4bit': mlx(4),
    'mlx-community/Ministral-3-14B-Instruct-2512-mxfp4': mlx(4, 'mxfp4', 32),
    'mlx-community/Ministral-3-14B-Instruct-2512-nvfp4': mlx(4, 'nvfp4', 16),
    'mlx-community/Devstral-Small-2-24B-Instruct-2512-5bit': mlx(5),
  },
  paligemma: {
    'mlx-community/paligemma2-3b-ft-docci-448-bf16': PLAIN,
    'mlx-community/paligemma2-10b-ft-docci-448-bf16': PLAIN,
    'mlx-community/paligemma2-10b-ft-docci-448-6bit': mlx(6),
    'mlx-community/paligemma2-3b-pt-896-4bit': mlx(4),
  },
  pixtral: { 'mlx-community/pixtral-12b-8bit': mlx(8), 'mlx-community/pixtral-12b-bf16': PLAIN },
  qwen2_vl: { 'mlx-community/Qwen2-VL-2B-Instruct-4bit': mlx(4) },
  qwen2_5_vl: { 'mlx-community/X-Reasoner-7B-8bit': mlx(8) },
  qwen3_vl: {
    'Qwen/Qwen3-VL-2B-Instruct': PLAIN,
    'mlx-community/Qwen3-VL-2B-Instruct-bf16': PLAIN,
    'mlx-community/Qwen3-VL-2B-Thinking-bf16': PLAIN,
  },
  internvl_chat: {
    'mlx-community/InternVL3-8B-bf16': PLAIN,
    'mlx-community/InternVL3-14B-8bit': mlx(8),
  },
  qwen3_5: {
    'mlx-community/Qwen3.5-9B-MLX-4bit': mlx(4),
    'mlx-community/Qwen3.5-27B-4bit': mlx(4),
    'mlx-community/Qwen3.5-27B-mxfp8': mlx(8, 'mxfp8', 32),
    'mlx-community/Qwen3.6-27B-mxfp8': mlx(8, 'mxfp8', 32),
  },
  qwen3_5_moe: {
    'mlx-community/Qwen3.5-35B-A3B-4bit': mlx(4),
    'mlx-community/Qwen3.5-35B-A3B-6bit': mlx(6),
    'mlx-community/Qwen3.5-35B-A3B-bf16': PLAIN,
  },
};

/** A checkpoint of which config.json is all that counts. */
const NOTHING: Checkpoint = {
  folder: '',
  config: {},
  generationConfig: {},
  imageProcessor: {},
  processor: {},
  tensors: new Map(),
  files: [],
  tokenId: () => undefined,
};

const REFUSED: Record<string, string[]> = {
  'llava-qwen2': ['mlx-community/nanoLLaVA-1.5-4bit', 'qnguyen3/nanoLLaVA'],
  ernie4_5_moe_vl: ['mlx-community/ERNIE-4.5-VL-28B-A3B-Thinking-bf16'],
  florence2: ['microsoft/Florence-2-large-ft', 'prince-canuma/Florence-2-large-ft'],
  glm4v_moe: ['mlx-community/GLM-4.6V-nvfp4'],
  llava_qwen2: ['mlx-community/FastVLM-0.5B-bf16'],
  mllama: ['meta-llama/Llama-3.2-11B-Vision-Instruct', 'mlx-community/Llama-3.2-11B-Vision-Instruct-8bit'],
  molmo: ['mlx-community/Molmo-7B-D-0924-8bit', 'mlx-community/Molmo-7B-D-0924-bf16'],
  molmo_point: ['mlx-community/MolmoPoint-8B-fp16'],
  phi3_v: ['microsoft/Phi-3.5-vision-instruct', 'mlx-community/Phi-3.5-vision-instruct-bf16'],
};

test('every family is listed with checkpoints to pull', () => {
  const without = families.filter(({ checkpoints }) => checkpoints.length === 0);
  assert.deepEqual(
    without.map(({ modelTypes }) => modelTypes[0]),
    [],
  );
});

test('what GLM-4.6V puts under the name of its small sibling is refused: mlx-community/GLM-4.6V-nvfp4', () => {
  const config = { model_type: 'glm46v', text_config: { model_type: 'glm4v_moe_text' } };
  assert.throws(() => buildModel({ ...NOTHING, config }), {
    code: 'MODEL_UNSUPPORTED',
    message: /"glm4v_moe_text".*GLM-4\.6V-Flash/,
  });
});

test('the collection: what is taken', () => {
  for (const [model_type, checkpoints] of Object.entries(TAKEN))
    for (const [name, quantized] of Object.entries(checkpoints)) {
      const config = { model_type, ...quantized };
      assert.ok(familyOf({ config }).modelTypes.includes(model_type), name);
      assert.doesNotThrow(() => requireReadableQuantization(config), name);
    }
  const taken = Object.values(TAKEN).flatMap((checkpoints) => Object.keys(checkpoints));
  assert.ok(taken.length >= 44, `${taken.length}`);
});

test('the collection: what is refused, by the name of what it is', () => {
  for (const [model_type, names] of Object.entries(REFUSED))
    assert.throws(
      () => familyOf({ config: { model_type } }),
      { code: 'MODEL_UNSUPPORTED', message: new RegExp(`"${model_type}".*qwen3_5`) },
      names.join(),
    );
});

test('what calls itself deepseek_vl_v2 is DeepSeek-OCR 2, or refused by name: mlx-community/deepseek-vl2-8bit', () => {
  assert.throws(() => buildModel({ ...NOTHING, config: { model_type: 'deepseek_vl_v2' } }), {
    code: 'MODEL_UNSUPPORTED',
    message: /"deepseek_vl_v2".*deepseek-ai\/DeepSeek-OCR-2/,
  });
});

/** Fine-tunes for screens: their model_type, and how they say where something is. */
const SCREENS: [name: string, modelType: string, scale: BoxScale, said: string][] = [
  ['ByteDance-Seed/UI-TARS-1.5-7B', 'qwen2_5_vl', 'viewed-pixels', "Action: click(start_box='(500,250)')"],
  ['mPLUG/GUI-Owl-7B', 'qwen2_5_vl', 'viewed-pixels', '{"action": "click", "coordinate": [500, 250]}'],
  ['Hcompany/Holo1.5-7B', 'qwen2_5_vl', 'viewed-pixels', 'click(x=500, y=250)'],
  ['Hcompany/Holo2-8B', 'qwen3_vl', 'relative-1000', '{"point_2d": [500, 250]}'],
  ['Tongyi-MAI/MAI-UI-8B', 'qwen3_vl', 'relative-1000', '{"coordinate": [500, 250]}'],
  ['inclusionAI/UI-Venus-1.5-8B', 'qwen3_vl', 'relative-1000', "Click(start_box='(500,250)')"],
  ['Qwen/Qwen3.5-4B', 'qwen3_5', 'relative-1000', '{"point_2d": [500, 250]}'],
];

test('fine-tunes for screens point where their family does', () => {
  for (const [name, model_type, scale, said] of SCREENS) {
    assert.ok(familyOf({ config: { model_type } }), name);
    const viewed = { width: 1000, height: 500 };
    const original = { width: 2000, height: 1000 };
    const [place] = parsePlaces(said, { scale, viewed, original });
    const expected = scale === 'viewed-pixels' ? { x: 1000, y: 500 } : { x: 1000, y: 250 };
    assert.deepEqual(place?.center, expected, name);
  }
});
