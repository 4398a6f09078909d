// Mixture of experts: a router picks k of E gated MLPs for every row (Shazeer et al. 2017; Fedus et al. 2021). Files
// store the experts' matrices fused and stacked, split and stacked (MLX), or one by one.
import type { ActivationName, GraphBuilder, RouteOptions, Value } from '../../graph/builder.js';
import type { WeightRecipe } from '../../graph/program.js';
import type { CheckpointModule, WeightScope } from '../checkpoint/weights.js';

export interface ExpertShape {
  experts: number;
  /** Width inside one expert. */
  inner: number;
  route: RouteOptions;
  /** Fused tensors are stored [E, in, out] instead of [E, out, in]. */
  transposed?: boolean;
  /** silu where absent. */
  activation?: ActivationName;
}

/** Routed experts of x[rows, hidden] under `mlp.`: router `mlp.gate`. → [rows, hidden] */
export function routedExperts(g: GraphBuilder, x: Value, w: WeightScope, c: ExpertShape): Value {
  const routed = g.route(g.linear(x, w('mlp.gate'), c.experts), c.route);
  return chosenExperts(g, x, routed, (name) => w(`mlp.${name}`), c);
}

/** The chosen experts of x[rows, hidden], weighted and added: ids and weights [rows, k] → [rows, hidden] */
export function chosenExperts(
  g: GraphBuilder,
  x: Value,
  { weights, ids }: { weights: Value; ids: Value },
  w: WeightScope,
  c: ExpertShape,
): Value {
  const gated = gatedHalves(g, x, ids, w, c); // [rows, k·inner]
  const down = g.expertLinear(gated, ids, downProjection(w, c, x.width), { perExpert: true }); // [rows, k·hidden]
  return g.expertSum(down, weights);
}

/** f(gate) · up of every chosen expert. */
function gatedHalves(g: GraphBuilder, x: Value, ids: Value, w: WeightScope, c: ExpertShape): Value {
  const activation = c.activation ?? 'silu';
  const fused = w('experts.gate_up_proj');
  if (fused.exists) {
    const both = g.expertLinear(x, ids, fusedExperts(fused, c, 2 * c.inner, x.width)); // [rows, k·(gate | up)]
    return g.gatedActivation(
      g.slice(both, 0, c.inner, ids.width),
      g.slice(both, c.inner, c.inner, ids.width),
      activation,
    );
  }
  const project = (name: string): Value =>
    g.expertLinear(x, ids, separateExperts(w, name, c, c.inner, x.width));
  return g.gatedActivation(project('gate_proj'), project('up_proj'), activation);
}

function downProjection(w: WeightScope, c: ExpertShape, hidden: number): WeightRecipe {
  const fused = w('experts.down_proj');
  return fused.exists
    ? fusedExperts(fused, c, hidden, c.inner)
    : separateExperts(w, 'down_proj', c, hidden, c.inner);
}

/** The family says how its files store them; a re-saved file may do it the other way, and its shape tells. */
function fusedExperts(module: CheckpointModule, c: ExpertShape, rows: number, columns: number): WeightRecipe {
  const square = rows === columns && module.shape === undefined; // who stores `.weight` stores it as it is read
  const transposed = square ? (c.transposed ?? false) : module.hasShape([c.experts, columns, rows]);
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
  const stacked = ['switch_mlp', 'experts.switch_glu'].map((stack) => w(`${stack}.${name}`));
  const found = stacked.find(({ exists }) => exists);
  return found
    ? found.stackedExperts(c.experts, rows, columns)
    : w('experts').listedExperts(c.experts, name, rows, columns);
}
