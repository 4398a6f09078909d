// What every decoder program begins and ends with: token rows with image features in place, and logits of chosen rows.
import { rowsOf, type GraphBuilder, type Value } from '../../graph/builder.js';
import type { WeightRecipe } from '../../graph/program.js';

export interface DecoderFrame {
  /** [rows, hidden] token embeddings with image rows replaced by features. */
  x: Value;
  /** i32 [rows, 1] */
  ids: Value;
  /** i32 [rows, 1|3] */
  positions: Value;
  /** i32 [rows, 1]: row of the features, -1 for text. */
  featureIndex: Value;
  /** DeepStack features, each [features, hidden]. */
  deepstack: Value[];
  /** i32 [logits, 1] */
  logitRows: Value;
}

export interface FrameOptions {
  positionAxes?: 1 | 3;
  /** Token embeddings are multiplied by this; image rows are not. */
  embedScale?: number;
  deepstack?: number;
  /** What becomes of token embeddings before image rows replace them. */
  tokens?: (x: Value, ids: Value) => Value;
}

export function openDecoder(
  g: GraphBuilder,
  embedTokens: WeightRecipe,
  options: FrameOptions = {},
): DecoderFrame {
  const { positionAxes = 1, embedScale = 1, deepstack = 0 } = options;
  const hidden = embedTokens.shape[1]!;
  const rows = rowsOf('rows');
  const ids = g.input('input_ids', { rows, width: 1, dtype: 'i32' });
  const positions = g.input('position_ids', { rows, width: positionAxes, dtype: 'i32' });
  const featureIndex = g.input('feature_index', { rows, width: 1, dtype: 'i32' });
  const features = g.input('features', { rows: rowsOf('features'), width: hidden });
  const taps = Array.from({ length: deepstack }, (_, i) =>
    g.input(`features.${i + 1}`, { rows: rowsOf('features'), width: hidden }),
  );
  const logitRows = g.input('logit_rows', { rows: rowsOf('logits'), width: 1, dtype: 'i32' });
  const embedded = g.embedding(ids, embedTokens, embedScale);
  const tokens = options.tokens?.(embedded, ids) ?? embedded;
  const x = g.named('embeddings', g.replaceRows(tokens, features, featureIndex));
  return { x, ids, positions, featureIndex, deepstack: taps, logitRows };
}

/** `norm` is applied to the rows whose logits are asked for, then the head [vocab, hidden]. */
export function closeDecoder(
  g: GraphBuilder,
  frame: DecoderFrame,
  x: Value,
  norm: (x: Value) => Value,
  head: WeightRecipe,
  cap = 0,
): void {
  const logits = g.matmul(norm(g.gatherRows(x, frame.logitRows)), head);
  g.output('logits', cap > 0 ? g.softcap(logits, cap) : logits);
}
