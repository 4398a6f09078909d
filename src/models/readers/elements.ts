// The element classifier: what each line of text on a screen is (a button, a field's name, a selected row…), from four
// views of its surroundings and a few numbers. 3 × 3 convolutions on each view, then one hidden layer over all of them;
// what the lines of a picture then say of each other, and of its kind, is left to small matrices over their hidden rows.
// Trained by training/elements; config.json names the classes.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AfterimageError } from '../../errors.js';
import { rowsOf } from '../../graph/builder.js';
import { readJson } from '../checkpoint/json-file.js';
import { ImageGraph, type ImageProgram } from './image-graph.js';
import type { PixelNorm } from './load.js';
import { tensorsOf, type Tensor } from './safetensors.js';

/** Rows and columns of a view, and how many a line has. */
export const VIEW = { height: 48, width: 96, count: 4 } as const;

/** A matrix [outputs, inputs] and a number for each output. */
export interface Layer {
  weight: Float32Array;
  bias: Float32Array;
}

/** Layers over hidden rows: `marks` of a line alone; `context` of it and those beside it, `corrections` and `kinds` of that. */
export type ContextLayers = Record<'marks' | 'context' | 'corrections' | 'kinds', Layer>;

export interface ElementModel {
  classifier: ImageProgram & { pixels: PixelNorm };
  together: ContextLayers;
  /** Classes in the order of the logits: roles, then states (each apart), then colours. */
  roles: string[];
  states: string[];
  colours: string[];
  /** Of screens. */
  kinds: string[];
  /** Numbers beside the views of a line. */
  features: number;
  /** SHA-256 of both files, in hex. */
  digest: string;
}

/** A job for a worker thread. @throws AfterimageError INVALID_CHECKPOINT */
export async function loadElements(folder: string): Promise<ElementModel> {
  const file = join(folder, 'model.safetensors');
  const config = readJson(folder, 'config.json');
  const bytes = await readFile(file).catch(() => undefined);
  if (config?.['model_type'] !== 'afterimage_elements' || !bytes) throw unusable(folder);
  const [roles, states, colours, kinds] = ['roles', 'states', 'colours', 'kinds'].map(
    (key) => (config[key] ?? []) as string[],
  );
  const strides = config['strides'] as number[];
  const tensors = tensorsOf(bytes, file);
  const together = contextOf(tensors, folder);
  const classes = roles!.length + states!.length + colours!.length;
  if (together.marks.bias.length !== classes || together.kinds.bias.length !== kinds!.length)
    throw unusable(folder);
  const { program, features } = classifierProgram(tensors, strides, folder);
  const digest = createHash('sha256').update(JSON.stringify(config)).update(bytes).digest('hex');
  return {
    classifier: { ...program, pixels: { mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] } },
    together,
    roles: roles!,
    states: states!,
    colours: colours!,
    kinds: kinds!,
    features,
    digest,
  };
}

function contextOf(tensors: Map<string, Tensor>, folder: string): ContextLayers {
  const layer = (name: string): Layer => {
    const [weight, bias] = [tensors.get(`${name}.weight`), tensors.get(`${name}.bias`)];
    if (!weight || !bias) throw unusable(folder);
    return { weight: weight.data, bias: bias.data };
  };
  return {
    marks: layer('marks'),
    context: layer('context'),
    corrections: layer('corrections'),
    kinds: layer('kinds'),
  };
}

/** pixel_values[pixels, 3], features[pixels / 18432, n] → hidden[pixels / 18432, width]. */
function classifierProgram(
  tensors: Map<string, Tensor>,
  strides: number[],
  folder: string,
): { program: ImageProgram; features: number } {
  const graph = new ImageGraph('elements');
  const { g } = graph;
  const tensor = (name: string): Tensor => {
    const found = tensors.get(name);
    if (found) return found;
    throw unusable(folder);
  };
  const layer = (name: string) => ({
    shape: tensor(`${name}.weight`).shape,
    weight: tensor(`${name}.weight`).data,
    bias: tensor(`${name}.bias`).data,
  });
  let at = graph.pixels();
  for (const [i, stride] of strides.entries())
    at = graph.convolution(
      at,
      { ...layer(`layers.${i}`), stride: [stride, stride], activation: 'relu' },
      `layers.${i}`,
    );
  const cells = (VIEW.count * VIEW.height * VIEW.width) / (at.step[0] * at.step[1]);
  const seen = g.regroup(at.x, cells);
  const hidden = layer('hidden');
  const features = hidden.shape[1]! - seen.width;
  const rows = rowsOf('pixels', 1, VIEW.count * VIEW.height * VIEW.width);
  const told = g.input('features', { rows, width: features });
  g.output('hidden', g.activation(graph.linear(g.concat(seen, told), hidden, 'hidden'), 'relu'));
  return { program: graph.finish(), features };
}

function unusable(folder: string): AfterimageError {
  return new AfterimageError(
    'INVALID_CHECKPOINT',
    `"${folder}" is not an element classifier of this version; install Afterimage again.`,
  );
}
