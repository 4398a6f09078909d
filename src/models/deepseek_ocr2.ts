// DeepSeek-OCR 2: Wei et al. 2026, https://github.com/deepseek-ai/DeepSeek-OCR-2. SAM's encoder, a Qwen2 in which learnt
// queries read the view's tokens in an order of their own, DeepSeek-V2's experts without latent attention.
import { AfterimageError } from '../errors.js';
import { GraphBuilder, rowsOf, type Value } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config, MOST_PARTS } from './checkpoint/config.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import { storedShape, weightModule, weightScope, type WeightScope } from './checkpoint/weights.js';
import { deepseekMixture, expertShape } from './decoders/deepseek.js';
import { gatedMlp, llamaAttention, llamaDecoder, llamaShape } from './decoders/llama.js';
import type { Family, Model, NamedTensor } from './family.js';
import { deepSeekImageProcessor, viewSides } from './processors/deepseek-image.js';
import { floatTensor, indexTensor } from './processors/pixels.js';
import { imageTokens } from './processors/placeholder.js';
import { geometricFrequencies, ropeSettings } from './rope.js';
import { segmentInput } from './towers/qwen.js';
import { SAM_STRIDE, samShape, samSymbols, samTables, samTower } from './towers/sam.js';

const IMAGE_TOKEN = '<image>';
/** The files have none: images, each with a line break, then the task. What the system says goes behind the first images. */
const CHAT_TEMPLATE =
  "{{ '<｜begin▁of▁sentence｜>' }}{% set said = namespace(system='', before='') %}{% for m in messages %}" +
  "{% set parts = [{'type': 'text', 'text': m['content']}] if m['content'] is string else m['content'] %}" +
  "{% if m['role'] == 'system' %}{% for p in parts %}{% set said.system = said.system + p['text'] + '\\n' %}{% endfor %}" +
  "{% else %}{{ said.before }}{% for p in parts %}{% if p['type'] == 'image' %}{{ '<image>\\n' }}" +
  "{% else %}{{ said.system + p['text'] }}{% set said.system = '' %}{% endif %}{% endfor %}" +
  "{% set said.before = '\\n' %}{% endif %}{% endfor %}";
/** Numbers of the encoder that the published files do not state. */
const ENCODER = { num_attention_heads: 14, num_key_value_heads: 2, rms_norm_eps: 1e-6 };
const ENCODER_ROPE = { theta: 1_000_000 };

export const deepSeekOcr2: Family = {
  modelTypes: ['deepseek_ocr2', 'deepseek_vl_v2'],
  bestAt: 'reading pages',
  checkpoints: [
    { name: 'deepseek-ai/DeepSeek-OCR-2', parameters: 3_389_119_360, towerParameters: 453_235_840 },
  ],
  build(checkpoint): Model {
    const config = new Config(checkpoint.config, 'config.json');
    const banks = queryBanks(checkpoint, config);
    const text = config.section(config.spelling('text_config', 'language_config'));
    const tower = weightScope(checkpoint, ['model.sam_model.', 'sam_model.'], 'patch_embed.proj');
    const patch = storedShape(checkpoint, tower('patch_embed.proj.weight').path)[2]!;
    const views = viewSides(new Config(checkpoint.imageProcessor, 'preprocessor_config.json'));
    const shape = samShape(checkpoint, tower, patch, Math.min(views.whole, views.tile) / patch);
    return {
      modelType: 'deepseek_ocr2',
      vision: visionEncoder(checkpoint, config, text.count('hidden_size'), tower, shape, banks),
      decoder: decoder(checkpoint, text),
      processor: deepSeekImageProcessor(checkpoint, {
        patch,
        tokens: (sides) => tokensOf(sides).reduce((sum, tokens) => sum + tokens, 1),
        placeholder: (tokens) => imageTokens(IMAGE_TOKEN, tokens),
        symbols: (sides) => ({ ...samSymbols(shape, sides), ...sequenceSymbols(sides) }),
        tables: (sides) => ({ ...samTables(shape, sides), ...sequenceTables(sides, banks) }),
      }),
      positionAxes: 1,
      imagePlaceholder: IMAGE_TOKEN,
      imageToken: IMAGE_TOKEN,
      imageTokenId: imageTokenId(checkpoint, IMAGE_TOKEN, 'image_token_id'),
      visibility: 'causal',
      eosTokenIds: stopTokenIds(checkpoint, '<｜end▁of▁sentence｜>'),
      boxes: null,
      chatTemplate: CHAT_TEMPLATE,
      contextLength: text.count('max_position_embeddings', 8192),
    };
  },
};

/** Learnt queries of a tile and of the whole view. */
interface QueryBanks {
  tile: ReturnType<WeightScope>;
  whole: ReturnType<WeightScope>;
  /** Rows of each. */
  rows: [tile: number, whole: number];
}

/** DeepSeek-VL 2 and DeepSeek-OCR call themselves the same and have no such queries. */
function queryBanks(checkpoint: Checkpoint, config: Config): QueryBanks {
  const paths = (name: string): string[] => [
    `model.qwen2_model.${name}`,
    `vision_model.qwen2_encoder.${name}`,
    `vision_model.${name}`,
  ];
  const [tile, whole] = [paths('query_768'), paths('query_1024')].map((names) =>
    weightModule(checkpoint, names),
  );
  if (!whole!.exists || !tile!.exists) {
    throw new AfterimageError(
      'MODEL_UNSUPPORTED',
      `A "${config.string('model_type')}" checkpoint without DeepSeek-OCR-2's queries (DeepSeek-OCR, DeepSeek-VL2) is not supported; deepseek-ai/DeepSeek-OCR-2 is.`,
    );
  }
  const rows = ({ path, shape }: ReturnType<WeightScope>): number =>
    (shape ?? storedShape(checkpoint, path))[0]!;
  return { tile: tile!, whole: whole!, rows: [rows(tile!), rows(whole!)] };
}

/** As many tokens as queries: a sixteenth of a view's patches. */
const tokensOf = (sides: number[]): number[] => sides.map((side) => (side / SAM_STRIDE) ** 2);

function sequenceSymbols(sides: number[]): Record<string, number> {
  const queries = tokensOf(sides).reduce((a, b) => a + b);
  return { sequence: 2 * queries, queries, bounds: sides.length + 1 };
}

/** View by view its tokens, which see each other, then its queries, each of which sees them and the queries before it. */
function sequenceTables(
  sides: number[],
  { rows: [tileRows, wholeRows] }: QueryBanks,
): Record<string, NamedTensor> {
  const [token, place, visible, query, inTile, inWhole, kept] = Array.from({ length: 7 }, (): number[] => []);
  const bounds = [0];
  let first = 0;
  for (const count of tokensOf(sides)) {
    const start = bounds.at(-1)!;
    const tile = count <= tileRows;
    if (count !== (tile ? tileRows : wholeRows)) {
      throw new AfterimageError(
        'INVALID_CHECKPOINT',
        `The image settings make views of ${count} tokens, but there are queries for ${tileRows} and ${wholeRows}; download the checkpoint's preprocessor_config.json again.`,
      );
    }
    for (let i = 0; i < 2 * count; i++) {
      const isQuery = i >= count;
      token!.push(isQuery ? -1 : first + i);
      place!.push(i);
      visible!.push(start + (isQuery ? i + 1 : count));
      query!.push(isQuery ? i - count : 0);
      inTile!.push(isQuery && tile ? 1 : 0);
      inWhole!.push(isQuery && !tile ? 1 : 0);
      if (isQuery) kept!.push(start + i);
    }
    first += count;
    bounds.push(start + 2 * count);
  }
  const ends = [...kept!.map(() => 0), 1];
  return {
    sequence_token: indexTensor(token!),
    sequence_place: indexTensor(place!),
    visible: indexTensor(visible!),
    // A row of the larger bank may lie outside the smaller one.
    tile_query: indexTensor(query!.map((row, i) => (inTile![i] ? row : 0))),
    tile_weight: floatTensor(inTile!, 1),
    whole_query: indexTensor(query!.map((row, i) => (inWhole![i] ? row : 0))),
    whole_weight: floatTensor(inWhole!, 1),
    bounds: indexTensor(bounds),
    kept_queries: indexTensor(kept!),
    feature_order: indexTensor([...kept!.keys(), -1]),
    end_index: indexTensor(ends.map(() => 0)),
    end_weight: floatTensor(ends, 1),
  };
}

function visionEncoder(
  checkpoint: Checkpoint,
  config: Config,
  hidden: number,
  tower: WeightScope,
  shape: ReturnType<typeof samShape>,
  banks: QueryBanks,
): Program {
  const g = new GraphBuilder('vision');
  const read = queryEncoder(g, checkpoint, config, samTower(g, tower, shape), banks); // [queries, width]
  const projector = weightModule(checkpoint, ['model.projector.layers', 'projector.layers']);
  const projected = g.linear(read, projector, hidden, { bias: true });
  const tokens = rowsOf('tokens');
  const order = g.input('feature_order', { rows: tokens, width: 1, dtype: 'i32' });
  const index = g.input('end_index', { rows: tokens, width: 1, dtype: 'i32' });
  const weight = g.input('end_weight', { rows: tokens, width: 1 });
  // Spelled so by the files.
  const end = weightModule(checkpoint, ['model.view_seperator', 'view_separator', 'view_seperator']);
  const ends = g.weightedRows(end.table([hidden], hidden, ''), index, weight);
  g.output('features', g.add(g.gatherRows(projected, order), ends));
  return g.finish();
}

/** Returns what the queries have read, [queries, width]. */
function queryEncoder(
  g: GraphBuilder,
  checkpoint: Checkpoint,
  config: Config,
  seen: Value,
  banks: QueryBanks,
): Value {
  const w = encoderWeights(checkpoint);
  const stated = config
    .section('vision_config')
    .sectionOr('encoder_config', new Config({}, 'encoder_config'));
  const c = stated.withDefaults(ENCODER);
  const [heads, kvHeads] = [c.count('num_attention_heads'), c.count('num_key_value_heads')];
  const { width } = seen;
  const d = width / heads;
  const eps = c.number('rms_norm_eps');
  const rows = rowsOf('sequence');
  const input = (name: string): Value => g.input(name, { rows, width: 1, dtype: 'i32' });
  const bank = (module: ReturnType<WeightScope>, count: number, name: string): Value =>
    g.weightedRows(
      module.matrix(count, width),
      input(`${name}_query`),
      g.input(`${name}_weight`, { rows, width: 1 }),
    );
  const tokens = g.gatherRows(seen, input('sequence_token'));
  let x = g.add(
    g.add(tokens, bank(banks.tile, banks.rows[0], 'tile')),
    bank(banks.whole, banks.rows[1], 'whole'),
  );
  const rope = g.ropeTable(input('sequence_place'), {
    invFreq: geometricFrequencies(ropeSettings(c, ENCODER_ROPE).theta, d),
  });
  const [visible, bounds] = [input('visible'), segmentInput(g, 'bounds')];
  const inner = storedShape(checkpoint, w('layers.0.mlp.gate_proj.weight').path)[0]!;
  for (let i = 0; w(`layers.${i}.input_layernorm`).exists && i < MOST_PARTS; i++) {
    const layer: WeightScope = (name) => w(`layers.${i}.${name}`);
    const h = g.rmsNorm(x, layer('input_layernorm'), eps);
    const project = (name: string, count: number): Value =>
      g.linear(h, layer(`self_attn.${name}_proj`), count * d, { bias: true });
    const q = g.rope(project('q', heads), rope, heads);
    const k = g.rope(project('k', kvHeads), rope, kvHeads);
    const attention = { heads, kvHeads, kDim: d, scale: d ** -0.5 };
    const o = g.segmentAttention(q, k, project('v', kvHeads), bounds, attention, visible);
    x = g.add(x, g.linear(o, layer('self_attn.o_proj'), width));
    x = g.add(x, gatedMlp(g, g.rmsNorm(x, layer('post_attention_layernorm'), eps), layer, inner, 'silu'));
    g.named(`encoder.${i}.output`, x);
  }
  const kept = g.input('kept_queries', { rows: rowsOf('queries'), width: 1, dtype: 'i32' });
  return g.rmsNorm(g.gatherRows(x, kept), w('norm'), eps);
}

const encoderWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(
    checkpoint,
    ['model.qwen2_model.model.model.', 'vision_model.qwen2_encoder.model.', 'vision_model.qwen2_encoder.'],
    'norm',
  );

function decoder(checkpoint: Checkpoint, text: Config): Program {
  const g = new GraphBuilder('decoder');
  const w = weightScope(
    checkpoint,
    ['model.', 'language_model.model.', 'model.language_model.'],
    'embed_tokens',
  );
  const head = weightModule(checkpoint, ['lm_head', 'language_model.lm_head']);
  const experts = expertShape(text, { score: 'softmax', normalize: false });
  const shape = llamaShape(text, { qkvBias: text.boolean('attention_bias', false) });
  const kinds = text.has('mlp_layer_types') ? text.strings('mlp_layer_types') : [];
  const isSparse = (i: number): boolean =>
    kinds.length > 0 ? kinds[i] === 'sparse' : i >= text.number('first_k_dense_replace', 1);
  llamaDecoder(g, w, head, shape, {
    rope: ropeSettings(text, { theta: 10000 }),
    layer(b, x, layer, c, rope, i) {
      const h = b.rmsNorm(x, layer('input_layernorm'), c.rms_norm_eps);
      const attended = b.add(x, llamaAttention(b, h, layer, c, rope, i));
      const f = b.rmsNorm(attended, layer('post_attention_layernorm'), c.rms_norm_eps);
      const mixed = isSparse(i)
        ? deepseekMixture(b, f, layer, experts)
        : gatedMlp(b, f, layer, c.intermediate_size, c.hidden_act);
      return b.named(`layers.${i}.output`, b.add(attended, mixed));
    },
  });
  return g.finish();
}
