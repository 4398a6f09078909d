// SAM's image encoder (Kirillov et al. 2023, https://arxiv.org/abs/2304.02643) as DeepSeek-OCR uses it: a ViT over square
// views, attention in windows but for a few layers, scores by how far rows and columns of patches are apart (Li et al. 2021,
// https://arxiv.org/abs/2112.01526), a neck of convolutions that makes a quarter of the side.
import { multipliedRows, rowsOf, type GraphBuilder, type Value } from '../../graph/builder.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { MOST_PARTS } from '../checkpoint/config.js';
import type { NamedTensor } from '../family.js';
import { indexTensor } from '../processors/pixels.js';
import { storedShape, type WeightScope } from '../checkpoint/weights.js';
import { antialiasedBicubicTaps, bilinearTaps, gridTaps, paddedTaps } from './position-tables.js';
import { segmentInput } from './qwen.js';

export interface SamShape {
  width: number;
  inner: number;
  heads: number;
  patch: number;
  /** Rows of a layer's relative positions: 2·side − 1 of what attends to each other. */
  relative: number[];
  /** Patches on a side of the view that the position table is made for. */
  grid: number;
  /** Of the views that there are, the least side in patches: decides how many taps a position has. */
  least: number;
  /** Channels of the neck and of its two convolutions. */
  channels: [number, number, number];
  /** MLX stores convolutions with their channels last. */
  channelsLast: boolean;
}

const EPS = 1e-6;
/** A view's side in patches over its side in tokens. */
export const SAM_STRIDE = 4;

/** Everything but patch and views is in the tensors' shapes. @throws AfterimageError INVALID_CHECKPOINT where one is missing */
export function samShape(checkpoint: Checkpoint, w: WeightScope, patch: number, least: number): SamShape {
  const of = (name: string): number[] => storedShape(checkpoint, w(name).path);
  const [, grid, , width] = of('pos_embed') as [number, number, number, number];
  const relative: number[] = [];
  while (w(`blocks.${relative.length}.norm1`).exists && relative.length < MOST_PARTS)
    relative.push(of(`blocks.${relative.length}.attn.rel_pos_h`)[0]!);
  const kernel = of('net_2.weight');
  return {
    ...{ width, patch, grid, least, relative },
    inner: of('blocks.0.mlp.lin1.weight')[0]!,
    heads: width / of('blocks.0.attn.rel_pos_h')[1]!,
    channels: [of('neck.0.weight')[0]!, kernel[0]!, of('net_3.weight')[0]!],
    channelsLast: kernel[3] !== 3,
  };
}

/** Layers whose table is as long as that of the first one attend in windows of its size. */
const windowOf = (c: SamShape): number => (c.relative[0]! + 1) / 2;
const tapsOf = (c: SamShape): number => 2 * Math.ceil((2 * c.grid) / c.least) + 1;

/** Row counts by symbol of views of so many patches a side. */
export function samSymbols(c: SamShape, sides: number[]): Record<string, number> {
  const window = windowOf(c);
  const windows = sides.reduce((sum, side) => sum + Math.ceil(side / window) ** 2, 0);
  const patches = sides.reduce((sum, side) => sum + side * side, 0);
  return {
    patches,
    padded: windows * window * window,
    windows: windows + 1,
    view_bounds: sides.length + 1,
    views: sides.length,
  };
}

/** Index tables of the same views, patches in raster order, one view after the other. */
export function samTables(c: SamShape, sides: number[]): Record<string, NamedTensor> {
  const bounds = sides.reduce((ends, side) => [...ends, ends.at(-1)! + side * side], [0]);
  return {
    ...positionTables(c, sides),
    ...windowTables(c, sides),
    ...globalTables(c, sides),
    view_bounds: indexTensor(bounds),
    sizes: indexTensor(
      sides.flatMap((side) => [side, side]),
      2,
    ),
    half_sizes: indexTensor(
      sides.flatMap((side) => [side / 2, side / 2]),
      2,
    ),
  };
}

function positionTables(c: SamShape, sides: number[]): Record<string, NamedTensor> {
  const parts = sides.map((side) => {
    const axis = Array.from({ length: side }, (_, i) =>
      paddedTaps(antialiasedBicubicTaps(i, side, c.grid), tapsOf(c)),
    );
    return gridTaps(placesOf(side), axis, axis, c.grid);
  });
  return {
    position_index: joined(parts.map(({ index }) => index)),
    position_weight: joined(parts.map(({ weight }) => weight)),
  };
}

const placesOf = (side: number): [row: number, column: number][] =>
  Array.from({ length: side * side }, (_, i) => [Math.floor(i / side), i % side]);

/** Windows begin at a view's corner; what they hold beyond its edges are patches of zeros (−1). */
function windowTables(c: SamShape, sides: number[]): Record<string, NamedTensor> {
  const window = windowOf(c);
  const within = placesOf(window);
  const order: number[] = [];
  const inverse: number[] = [];
  let first = 0;
  for (const side of sides) {
    for (let top = 0; top < side; top += window)
      for (let left = 0; left < side; left += window)
        for (const [y, x] of within) {
          const inside = top + y < side && left + x < side;
          const patch = first + (top + y) * side + left + x;
          if (inside) inverse[patch] = order.length;
          order.push(inside ? patch : -1);
        }
    first += side * side;
  }
  const places = order.map((_, i): [number, number] => within[i % within.length]!);
  return {
    window_order: indexTensor(order),
    window_place: indexTensor(inverse),
    windows: indexTensor(
      Array.from({ length: order.length / window ** 2 + 1 }, (_, i) => i * window * window),
    ),
    window_keys: placeKeys(places, window, c),
    window_rows: distances(places, 0, window),
    window_columns: distances(places, 1, window),
  };
}

/** Each row's own products with all keys along an axis: rows of the table of distances; row r's begin at r·(2·side − 1). */
function distances(places: [number, number][], axis: 0 | 1, side: number): NamedTensor {
  const length = 2 * side - 1;
  const index = new Int32Array(places.length * side);
  places.forEach((place, r) => {
    for (let key = 0; key < side; key++) index[r * side + key] = r * length + place[axis] - key + side - 1;
  });
  return { data: index, rows: places.length, width: side };
}

/** Where a key stands: √d in the column of its row and in that of its column, so that scaled scores take the products whole. */
function placeKeys(places: [number, number][], side: number, c: SamShape): NamedTensor {
  const data = new Float32Array(places.length * 2 * side);
  places.forEach(([row, column], r) => {
    data[r * 2 * side + row] = Math.sqrt(c.width / c.heads);
    data[r * 2 * side + side + column] = Math.sqrt(c.width / c.heads);
  });
  return { data, rows: places.length, width: 2 * side };
}

/** As in windows, but a smaller view reads the table of distances stretched to its own length. */
function globalTables(c: SamShape, sides: number[]): Record<string, NamedTensor> {
  const places = sides.flatMap((side) => placesOf(side));
  const own = sides.flatMap((side) => Array.from({ length: side * side }, () => side));
  return {
    global_keys: placeKeys(places, c.grid, c),
    ...stretchedDistances('global_rows', c, places, own, 0),
    ...stretchedDistances('global_columns', c, places, own, 1),
  };
}

function stretchedDistances(
  name: string,
  c: SamShape,
  places: [number, number][],
  sides: number[],
  axis: 0 | 1,
): Record<string, NamedTensor> {
  const length = 2 * c.grid - 1;
  const taps = new Map([...new Set(sides)].map((side) => [side, stretchedTaps(2 * side - 1, length)]));
  const index = new Int32Array(places.length * c.grid * 2);
  const weight = new Float32Array(index.length);
  // Millions of taps an image: no call and no object for each.
  for (const [r, place] of places.entries()) {
    const side = sides[r]!;
    const stretched = taps.get(side)!;
    for (let key = 0; key < side; key++) {
      const tap = 2 * (place[axis] - key + side - 1);
      const at = 2 * (r * c.grid + key);
      for (let t = 0; t < 2; t++) {
        index[at + t] = r * length + stretched.index[tap + t]!;
        weight[at + t] = stretched.weight[tap + t]!;
      }
    }
  }
  const rows = places.length * c.grid;
  return {
    [`${name}_index`]: { data: index, rows, width: 2 },
    [`${name}_weight`]: { data: weight, rows, width: 2 },
  };
}

/** Of each row of a table of `rows`, the two rows of one of `length` that it is made of. */
function stretchedTaps(rows: number, length: number): { index: Int32Array; weight: Float32Array } {
  const taps = { index: new Int32Array(2 * rows), weight: new Float32Array(2 * rows) };
  for (let row = 0; row < rows; row++)
    bilinearTaps(row, rows, length).forEach((tap, t) => {
      taps.index[2 * row + t] = tap.index;
      taps.weight[2 * row + t] = tap.weight;
    });
  return taps;
}

function joined(parts: NamedTensor[]): NamedTensor {
  const { data, width } = parts[0]!;
  const whole = new (data.constructor as typeof Int32Array)(
    parts.reduce((sum, part) => sum + part.data.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    whole.set(part.data, at);
    at += part.data.length;
  }
  return { data: whole, rows: whole.length / width, width };
}

/** What decides who attends to whom, in windows or in whole views. */
interface Places {
  /** Patches on a side. */
  side: number;
  segments: Value;
  /** [rows, 2·side] */
  keys: Value;
  /** Of queries' products with the distances of an axis, one row each with heads as columns, those with every key. */
  alongRows: (products: Value) => Value;
  alongColumns: (products: Value) => Value;
}

/** Returns [patches / 16, channels of the last convolution]. */
export function samTower(g: GraphBuilder, w: WeightScope, c: SamShape): Value {
  const patches = rowsOf('patches');
  const [windowed, everywhere] = [windowPlaces(g, c), globalPlaces(g, c)];
  const order = g.input('window_order', { rows: rowsOf('padded'), width: 1, dtype: 'i32' });
  const place = g.input('window_place', { rows: patches, width: 1, dtype: 'i32' });
  let x = embedded(g, w, c);
  c.relative.forEach((length, i) => {
    const block: WeightScope = (name) => w(`blocks.${i}.${name}`);
    const normed = g.layerNorm(x, block('norm1'), EPS);
    const attended =
      length === c.relative[0]
        ? g.gatherRows(attention(g, g.gatherRows(normed, order), block, c, windowed), place)
        : attention(g, normed, block, c, everywhere);
    x = g.add(x, attended);
    const inner = g.linear(g.layerNorm(x, block('norm2'), EPS), block('mlp.lin1'), c.inner, { bias: true });
    x = g.add(x, g.linear(g.activation(inner, 'gelu'), block('mlp.lin2'), c.width, { bias: true }));
    g.named(`blocks.${i}.output`, x);
  });
  return neck(g, w, c, x);
}

function embedded(g: GraphBuilder, w: WeightScope, c: SamShape): Value {
  const patches = rowsOf('patches');
  const taps = tapsOf(c) ** 2;
  const pixels = g.input('pixel_values', { rows: patches, width: 3 * c.patch ** 2 });
  const index = g.input('position_index', { rows: patches, width: taps, dtype: 'i32' });
  const weight = g.input('position_weight', { rows: patches, width: taps });
  const embed = w('patch_embed.proj');
  const table = w('pos_embed').table([1, c.grid, c.grid, c.width], c.width, '');
  const x = g.matmul(pixels, embed.patchKernel(c.width, 3, [c.patch, c.patch]), embed.bias(c.width));
  return g.add(x, g.weightedRows(table, index, weight));
}

function windowPlaces(g: GraphBuilder, c: SamShape): Places {
  const side = windowOf(c);
  const rows = rowsOf('padded');
  const along = (name: string): ((products: Value) => Value) => {
    const index = g.input(name, { rows, width: side, dtype: 'i32' });
    return (products) => g.gatherRows(products, index);
  };
  return {
    side,
    segments: segmentInput(g, 'windows'),
    keys: g.input('window_keys', { rows, width: 2 * side }),
    alongRows: along('window_rows'),
    alongColumns: along('window_columns'),
  };
}

function globalPlaces(g: GraphBuilder, c: SamShape): Places {
  const rows = multipliedRows(rowsOf('patches'), c.grid);
  const along = (name: string): ((products: Value) => Value) => {
    const index = g.input(`${name}_index`, { rows, width: 2, dtype: 'i32' });
    const weight = g.input(`${name}_weight`, { rows, width: 2 });
    return (products) => g.regroup(g.weightedRows(products, index, weight), c.grid);
  };
  return {
    side: c.grid,
    segments: segmentInput(g, 'view_bounds'),
    keys: g.input('global_keys', { rows: rowsOf('patches'), width: 2 * c.grid }),
    alongRows: along('global_rows'),
    alongColumns: along('global_columns'),
  };
}

/**
 * q·k / √d + q·h + q·v: h and v of how far apart the rows and the columns of query and key are. These two become columns of
 * the query, of which a key chooses its own. [rows, width] → [rows, width]
 */
function attention(g: GraphBuilder, x: Value, w: WeightScope, c: SamShape, places: Places): Value {
  const { width, heads } = c;
  const { side } = places;
  const d = width / heads;
  const qkv = g.linear(x, w('attn.qkv'), 3 * width, { bias: true });
  const [q, k, v] = [0, 1, 2].map((part) => g.slice(qkv, part * width, width)) as [Value, Value, Value];
  const products = (name: string): Value => {
    const length = 2 * side - 1;
    const each = g.matmul(g.ungroup(q, heads), w(`attn.${name}`).table([length, d], d)); // [rows·heads, length]
    return g.ungroup(g.transposeInner(g.regroup(each, heads), heads), length); // [rows·length, heads]
  };
  const byHead = (y: Value): Value => g.transposeInner(y, side); // [rows, side·heads] → [rows, heads·side]
  const rows = byHead(places.alongRows(products('rel_pos_h')));
  const columns = byHead(places.alongColumns(products('rel_pos_w')));
  const query = g.concat(g.concat(q, rows, heads), columns, heads);
  const key = g.concat(k, g.repeat(places.keys, heads), heads);
  const shape = { heads, kvHeads: heads, kDim: d + 2 * side, vDim: d, scale: d ** -0.5 };
  return g.linear(g.segmentAttention(query, key, v, places.segments, shape), w('attn.proj'), width, {
    bias: true,
  });
}

function neck(g: GraphBuilder, w: WeightScope, c: SamShape, x: Value): Value {
  const [first, second, third] = c.channels;
  const input = (name: string): Value => g.input(name, { rows: rowsOf('views'), width: 2, dtype: 'i32' });
  const [sizes, halves] = [input('sizes'), input('half_sizes')];
  const convolved = (y: Value, of: Value, name: string, out: number, stride: 1 | 2): Value =>
    g.convolution({ x: y, sizes: of }, w(name).tapKernel(out, y.width, [3, 3], c.channelsLast), {
      kernel: [3, 3],
      stride: [stride, stride],
    });
  const narrow = g.layerNorm(g.matmul(x, w('neck.0').patchKernel(first, c.width, [1, 1])), w('neck.1'), EPS);
  const seen = g.layerNorm(convolved(narrow, sizes, 'neck.2', first, 1), w('neck.3'), EPS);
  return convolved(convolved(seen, sizes, 'net_2', second, 2), halves, 'net_3', third, 2);
}
