// CLIP's vision tower (Radford et al. 2021, https://arxiv.org/abs/2103.00020) as LLaVA reads it: a class token before the
// patches, a norm before the blocks, and the output of an earlier block than the last.
import { GraphBuilder, rowsOf, type ActivationName, type Value } from '../../graph/builder.js';
import { AfterimageError } from '../../errors.js';
import type { WeightRecipe } from '../../graph/program.js';
import type { Config } from '../checkpoint/config.js';
import type { WeightScope } from '../checkpoint/weights.js';
import type { NamedTensor } from '../family.js';
import { floatTensor, indexTensor } from '../processors/pixels.js';
import { outputLayer } from './pixtral.js';
import { siglipStates, type SiglipShape } from './siglip.js';

export interface ClipShape extends SiglipShape {
  image_size: number;
  /** Outputs of these layers, side by side. */
  features: number[];
}

/** Files state what differs from the configuration class; `config` says which layers' outputs are read. */
export function clipShape(config: Config): ClipShape {
  const vision = config.section('vision_config').withDefaults({
    hidden_size: 768,
    intermediate_size: 3072,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    image_size: 224,
    patch_size: 32,
    layer_norm_eps: 1e-5,
    hidden_act: 'quick_gelu',
  });
  const strategy = config.string('vision_feature_select_strategy', 'default');
  if (strategy !== 'default') {
    throw new AfterimageError(
      'MODEL_UNSUPPORTED',
      `"vision_feature_select_strategy" "${strategy}" is not supported with a CLIP tower; "default" is.`,
    );
  }
  const layers = vision.parts('num_hidden_layers');
  const stated = config.has('vision_feature_layer') ? config.ids('vision_feature_layer') : [-2];
  const features = stated.map((layer) => outputLayer(layers, layer));
  return {
    hidden_size: vision.count('hidden_size'),
    intermediate_size: vision.count('intermediate_size'),
    num_hidden_layers: Math.max(...features), // later ones are never read
    num_attention_heads: vision.count('num_attention_heads'),
    image_size: vision.count('image_size'),
    patch_size: vision.count('patch_size'),
    layer_norm_eps: vision.number('layer_norm_eps'),
    hidden_act: vision.string('hidden_act') as ActivationName,
    features,
  };
}

/** Rows of patches and class tokens of so many square frames, `side` patches wide. */
export function clipSymbols(frames: number, side: number): Record<string, number> {
  const area = side * side;
  return { patches: frames * area, cells: frames * (area + 1), segments: frames + 1 };
}

/** Tables for the inputs that the tower declares. */
export function clipTables(frames: number, side: number): Record<string, NamedTensor> {
  const [area, cells] = [side * side, side * side + 1];
  const rows = Array.from({ length: frames * cells }, (_, i) => ({
    frame: Math.floor(i / cells),
    at: i % cells,
  }));
  return {
    patch_rows: indexTensor(rows.map(({ frame, at }) => (at === 0 ? -1 : frame * area + at - 1))),
    class_index: indexTensor(rows.map(() => 0)),
    class_weight: floatTensor(
      rows.map(({ at }) => (at === 0 ? 1 : 0)),
      1,
    ),
    position_index: indexTensor(rows.map(({ at }) => at)),
    segments: indexTensor(Array.from({ length: frames + 1 }, (_, i) => i * cells)),
    kept_rows: indexTensor(rows.flatMap(({ at }, i) => (at === 0 ? [] : [i]))),
  };
}

export interface ClassedWeights {
  patch_size: number;
  kernel: WeightRecipe;
  bias: WeightRecipe | null;
  /** [1, width] */
  token: WeightRecipe;
  /** [1 + patches of a frame, width] */
  positions: WeightRecipe;
}

/** Patches of square frames, frame by frame in raster order, a class token before each. → [cells, width] */
export function classedPatches(g: GraphBuilder, w: ClassedWeights): Value {
  const [patches, cells] = [rowsOf('patches'), rowsOf('cells')];
  const pixels = g.input('pixel_values', { rows: patches, width: 3 * w.patch_size ** 2 });
  const index = (name: string): Value => g.input(name, { rows: cells, width: 1, dtype: 'i32' });
  const [patchRows, classIndex, places] = [
    index('patch_rows'),
    index('class_index'),
    index('position_index'),
  ];
  const classWeight = g.input('class_weight', { rows: cells, width: 1 });
  const placed = g.gatherRows(g.matmul(pixels, w.kernel, w.bias), patchRows); // class rows 0
  return g.add(
    g.add(placed, g.weightedRows(w.token, classIndex, classWeight)),
    g.embedding(places, w.positions),
  );
}

/** The rows of patches, in the order of `kept_rows`. */
export function withoutClasses(g: GraphBuilder, x: Value): Value {
  return g.gatherRows(x, g.input('kept_rows', { rows: rowsOf('patches'), width: 1, dtype: 'i32' }));
}

/** → [patches, width · layers], without class tokens */
export function clipTower(g: GraphBuilder, w: WeightScope, c: ClipShape): Value {
  const width = c.hidden_size;
  const x = classedPatches(g, {
    patch_size: c.patch_size,
    kernel: w('embeddings.patch_embedding').patchKernel(width, 3, [c.patch_size, c.patch_size]),
    bias: null,
    token: w('embeddings.class_embedding').table([width], width, ''),
    positions: w('embeddings.position_embedding').matrix((c.image_size / c.patch_size) ** 2 + 1, width),
  });
  const states = siglipStates(g, g.layerNorm(x, w('pre_layrnorm'), c.layer_norm_eps), w, c);
  return withoutClasses(
    g,
    c.features.map((layer) => states[layer]!).reduce((a, b) => g.concat(a, b)),
  );
}
