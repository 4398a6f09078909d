// Mixture of experts: a router picks k of E gated MLPs for every row (Shazeer et al. 2017; Fedus et al. 2021). Files
// store the experts' matrices fused and stacked, split and stacked (MLX), or one by one.
import type { GraphBuilder, RouteOptions, Value } from '../../graph/builder.js';
import type { WeightRecipe } from '../../graph/program.js';
import type { CheckpointModule, WeightScope } from '../checkpoint/weights.js';

export interface ExpertShape {
  experts: number;
  /** Width inside one expert. */
  inner: number;
  route: RouteOptions;
  /** Fused tensors are stored [E, in, out] instead of [E, out, in]. */
  transposed?: boolean;
}

/** Routed experts of x[rows, hidden] under `mlp.`: router `mlp.gate`. → [rows, hidden] */
export function routedExperts(g: GraphBuilder, x: Value, w: WeightScope, c: ExpertShape): Value {
  const { weights, ids } = g.route(g.linear(x, w('mlp.gate'), c.experts), c.route);
  const gated = gatedHalves(g, x, ids, w, c); // [rows, k·inner]
  const down = g.expertLinear(gated, ids, downProjection(w, c, x.width), { perExpert: true }); // [rows, k·hidden]
  return g.expertSum(down, weights);
}

/** silu(gate) · up of every chosen expert. */
function gatedHalves(g: GraphBuilder, x: Value, ids: Value, w: WeightScope, c: ExpertShape): Value {
  const fused = w('mlp.experts.gate_up_proj');
  if (fused.exists) {
    const both = g.expertLinear(x, ids, fusedExperts(fused, c, 2 * c.inner, x.width)); // [rows, k·(gate | up)]
    return g.gatedActivation(
      g.slice(both, 0, c.inner, ids.width),
      g.slice(both, c.inner, c.inner, ids.width),
      'silu',
    );
  }
  const project = (name: string): Value =>
    g.expertLinear(x, ids, separateExperts(w, name, c, c.inner, x.width));
  return g.gatedActivation(project('gate_proj'), project('up_proj'), 'silu');
}

function downProjection(w: WeightScope, c: ExpertShape, hidden: number): WeightRecipe {
  const fused = w('mlp.experts.down_proj');
  return fused.exists
    ? fusedExperts(fused, c, hidden, c.inner)
    : separateExperts(w, 'down_proj', c, hidden, c.inner);
}

/** The family says how its files store them; a re-saved file may do it the other way, and its shape tells. */
function fusedExperts(module: CheckpointModule, c: ExpertShape, rows: number, columns: number): WeightRecipe {
  const transposed = rows === columns ? (c.transposed ?? false) : module.hasShape([c.experts, columns, rows]);
  return transposed
    ? module.transposedExperts(c.experts, rows, columns)
    : module.stackedExperts(c.experts, rows, columns);
}

function separateExperts(
  w: WeightScope,
  name: string,
  c: ExpertShape,
  rows: number,
  columns: number,
): WeightRecipe {
  const stacked = w(`mlp.switch_mlp.${name}`);
  return stacked.exists
    ? stacked.stackedExperts(c.experts, rows, columns)
    : w('mlp.experts').listedExperts(c.experts, name, rows, columns);
}
