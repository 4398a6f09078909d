// Alternating updates (Baykal et al. 2023, https://arxiv.org/abs/2301.13310): several streams of hidden states of which
// a layer computes one. The others are predicted before it and corrected by its error after it.
import type { GraphBuilder, Value } from '../../graph/builder.js';
import type { WeightScope } from '../checkpoint/weights.js';

export interface AltUpShape {
  hidden: number;
  streams: number;
  /** The stream that layers compute. */
  active: number;
  eps: number;
}

/** Least mean square that a stream's magnitude is taken from. */
const MAGNITUDE_EPS = 1e-5;

/** x[rows, hidden] and its projections at the same magnitude. */
export function openStreams(g: GraphBuilder, x: Value, w: WeightScope, c: AltUpShape): Value[] {
  const size = g.rowStatistic(x, 'rms');
  const others = Array.from({ length: c.streams - 1 }, (_, i) =>
    magnified(g, g.linear(x, w(`altup_projections.${i}`), c.hidden), size),
  );
  return [x, ...others];
}

/** [rows, streams·hidden] */
export function joinStreams(g: GraphBuilder, streams: Value[]): Value {
  return streams.reduce((a, b) => g.concat(a, b));
}

/** Each stream plus a mix of all, whose coefficients depend on the active one. `joined` are the same streams. */
export function predictStreams(
  g: GraphBuilder,
  streams: Value[],
  joined: Value,
  w: WeightScope,
  c: AltUpShape,
): Value[] {
  const mix = g.linear(modalities(g, streams[c.active]!, w, c), w('altup.prediction_coefs'), c.streams ** 2);
  return streams.map((stream, i) =>
    g.add(stream, g.expertSum(joined, g.slice(mix, i * c.streams, c.streams))),
  );
}

/** What the layer computed tells how far the active prediction was off; every stream takes its share of that. */
export function correctStreams(
  g: GraphBuilder,
  predicted: Value[],
  computed: Value,
  w: WeightScope,
  c: AltUpShape,
): Value[] {
  const error = g.add(computed, g.scale(predicted[c.active]!, -1));
  const gains = g.linear(modalities(g, computed, w, c), w('altup.correction_coefs'), c.streams);
  return predicted.map((stream, i) => g.add(stream, g.add(error, g.mul(error, g.slice(gains, i, 1)))));
}

/** The mean of all streams at the magnitude of the first. [rows, streams·hidden] → [rows, hidden] */
export function mergeStreams(g: GraphBuilder, joined: Value, w: WeightScope, c: AltUpShape): Value {
  const first = g.slice(joined, 0, c.hidden);
  const size = g.rowStatistic(first, 'rms');
  let sum = first;
  for (let i = 1; i < c.streams; i++) {
    const stream = g.slice(joined, i * c.hidden, c.hidden);
    const projected = g.linear(stream, w(`altup_unembed_projections.${i - 1}`), c.hidden);
    sum = g.add(sum, magnified(g, projected, size));
  }
  return g.scale(sum, 1 / c.streams);
}

/** The router, [rows, streams] in −1 … 1 */
function modalities(g: GraphBuilder, x: Value, w: WeightScope, c: AltUpShape): Value {
  const normed = g.scale(g.rmsNorm(x, w('altup.router_norm'), c.eps), 1 / c.hidden);
  return g.activation(g.linear(normed, w('altup.modality_router'), c.streams), 'tanh');
}

/** x at the magnitude `size`[rows, 1] */
function magnified(g: GraphBuilder, x: Value, size: Value): Value {
  return g.mul(x, g.mul(size, g.rowStatistic(x, 'inverse_rms', { eps: MAGNITUDE_EPS })));
}
