// The part of an ONNX file that a network needs: nodes, their attributes, constants. https://onnx.ai/onnx/repo-docs/IR.html
import { PbfReader } from 'pbf';
import { AfterimageError } from '../../errors.js';

export interface OnnxTensor {
  shape: number[];
  data: Float32Array;
}

export interface OnnxNode {
  op: string;
  inputs: string[];
  outputs: string[];
  floats: Map<string, number>;
  ints: Map<string, number[]>;
}

/** Nodes in the file's (topological) order; `Constant` nodes are among the constants. */
export interface OnnxGraph {
  nodes: OnnxNode[];
  constants: Map<string, OnnxTensor>;
  readers: Map<string, OnnxNode[]>;
}

const FLOAT = 1;

/** @throws AfterimageError INVALID_CHECKPOINT */
export function readOnnx(bytes: Uint8Array, file: string): OnnxGraph {
  const graph: OnnxGraph = { nodes: [], constants: new Map(), readers: new Map() };
  try {
    new PbfReader(bytes).readFields((field, _, pbf) => {
      if (field === 7) pbf.readMessage(readGraphField, graph);
    }, null);
  } catch (cause) {
    throw new AfterimageError('INVALID_CHECKPOINT', `"${file}" is not an ONNX file; install it again.`, {
      cause,
    });
  }
  if (graph.nodes.length === 0)
    throw new AfterimageError('INVALID_CHECKPOINT', `"${file}" has no ONNX graph; install it again.`);
  for (const node of graph.nodes)
    for (const input of node.inputs) graph.readers.set(input, [...(graph.readers.get(input) ?? []), node]);
  return graph;
}

interface Attribute {
  name: string;
  float?: number;
  ints: number[];
  tensor?: OnnxTensor;
}

function readGraphField(field: number, graph: OnnxGraph | undefined, pbf: PbfReader): void {
  if (field === 1) addNode(graph!, pbf);
  if (field === 5) {
    const tensor = readTensor(pbf);
    if (tensor.data) graph!.constants.set(tensor.name, { shape: tensor.shape, data: tensor.data });
  }
}

function addNode(graph: OnnxGraph, pbf: PbfReader): void {
  const node: OnnxNode = { op: '', inputs: [], outputs: [], floats: new Map(), ints: new Map() };
  let value: OnnxTensor | undefined;
  pbf.readMessage((field) => {
    if (field === 1) node.inputs.push(pbf.readString());
    if (field === 2) node.outputs.push(pbf.readString());
    if (field === 4) node.op = pbf.readString();
    if (field !== 5) return;
    const attribute = readAttribute(pbf);
    if (attribute.float !== undefined) node.floats.set(attribute.name, attribute.float);
    if (attribute.ints.length > 0) node.ints.set(attribute.name, attribute.ints);
    value = attribute.tensor ?? value;
  }, null);
  if (node.op !== 'Constant') graph.nodes.push(node);
  else if (value) graph.constants.set(node.outputs[0]!, value);
}

function readAttribute(pbf: PbfReader): Attribute {
  const attribute: Attribute = { name: '', ints: [] };
  pbf.readMessage((field) => {
    if (field === 1) attribute.name = pbf.readString();
    if (field === 2) attribute.float = pbf.readFloat();
    if (field === 3) attribute.ints.push(pbf.readVarint(true));
    if (field === 8) pbf.readPackedVarint(attribute.ints, true);
    if (field !== 5) return;
    const { shape, data } = readTensor(pbf);
    if (data) attribute.tensor = { shape, data };
  }, null);
  return attribute;
}

/** `data` only where the elements are f32. */
function readTensor(pbf: PbfReader): { name: string; shape: number[]; data?: Float32Array } {
  const tensor = {
    name: '',
    shape: [] as number[],
    type: 0,
    floats: [] as number[],
    raw: new Uint8Array() as Uint8Array,
  };
  pbf.readMessage((field) => {
    if (field === 1) pbf.readPackedVarint(tensor.shape, true);
    if (field === 2) tensor.type = pbf.readVarint();
    if (field === 4) pbf.readPackedFloat(tensor.floats);
    if (field === 8) tensor.name = pbf.readString();
    if (field === 9) tensor.raw = pbf.readBytes();
  }, null);
  const { name, shape, type, floats, raw } = tensor;
  if (type !== FLOAT) return { name, shape };
  const data = raw.length > 0 ? new Float32Array(new Uint8Array(raw).buffer) : Float32Array.from(floats);
  if (data.length !== shape.reduce((product, axis) => product * axis, 1))
    throw new RangeError(`Tensor "${name}" has ${data.length} elements`);
  return { name, shape, data };
}
