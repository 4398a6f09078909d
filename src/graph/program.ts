// The form in which a model reaches the native core: a flat list of operators over named values.
// native/graph/program.h reads exactly this as JSON; native/graph/ops.h states every operator's formula.

/** Symbolic row count: the run's count of `symbol`, divided by `div` and multiplied by `mul`; or a constant. */
export type Rows = { symbol: string; mul?: number; div?: number } | { constant: number };

export interface ProgramValue {
  /** Unique; any value can be tapped by this name. */
  name: string;
  dtype: 'f32' | 'i32';
  rows: Rows;
  width: number;
}

/**
 * Forms that other tools store: GPTQ, AWQ, compressed-tensors, bitsandbytes, NVFP4 with a scale for the whole matrix, blocks of
 * GGUF; and MLX's affine one of a stack whose matrices are read turned.
 */
export type ForeignMode =
  | ('gptq' | 'gptq_v2' | 'awq' | 'packed_int' | 'int8' | 'bnb_int8' | 'bnb_4bit' | 'nvfp4_scaled')
  | ('gguf' | 'affine_turned');

/** How a logical weight is made from stored tensors (names as in the safetensors files). */
export interface WeightRecipe {
  /** Logical name, unique in the program. */
  name: string;
  /** [rows, columns], [length] or [experts, rows, columns]. Checked against the file before anything runs. */
  shape: number[];
  /** Stored tensors; several are stacked along a new leading axis (experts), in order. */
  tensors: string[];
  /** Instead of tensors, of which there are then none: every row. */
  values?: number[];
  /** Absent: the stored float dtype. `scales`/`biases` name one tensor for each of `tensors`. */
  quantization?: {
    mode: 'affine' | 'mxfp4' | 'mxfp8' | 'nvfp4' | 'fp8_block' | 'int4_symmetric' | ForeignMode;
    bits: number;
    group: number;
    block?: [number, number];
    scales: string[];
    biases?: string[];
    /** Of foreign modes, as native/weights/foreign_form.h reads them: zeros and orders of columns, one for each of `tensors`. */
    zeros?: string[];
    order?: string[];
    /** As many for each of `tensors` as the mode has. */
    tables?: string[];
  };
  /** Axes of the stored tensor of floats, or of fp8 in tiles, in the order in which they are read, before it is flattened
   * to `shape`. */
  permute?: number[];
  /** Part [start, start + count) of one axis of the stored (permuted) tensor; quantized tensors: row axis only. */
  slice?: { axis: number; start: number; count: number };
}

/** Operator names are those of `enum class Op`, in camelCase; attributes those of `struct OpAttrs`, in camelCase. */
export interface ProgramOp {
  op: string;
  /** Value indices; -1 for an absent optional operand. */
  in: number[];
  /** Weight indices; -1 for an absent optional weight. */
  weights: number[];
  out: number[];
  attrs: Record<string, number | boolean | string | number[]>;
}

export interface KvLayer {
  kvHeads: number;
  kDim: number;
  vDim: number;
}

export interface Program {
  name: 'vision' | 'decoder' | 'mtp' | 'detector' | 'recogniser' | 'elements';
  /** Indices of `values` that the caller binds at each run, by name. */
  inputs: number[];
  outputs: number[];
  values: ProgramValue[];
  weights: WeightRecipe[];
  ops: ProgramOp[];
  /** Decoder, and the head that adds to its last layer. */
  kv?: { layers: KvLayer[] };
  /** Decoder only: f32 elements of recurrent state by the `layer` attribute of ShortConv/GatedDelta. */
  states?: { elements: number[] };
}

/** What a decoder program says of itself. */
export interface DecoderWidths {
  hidden: number;
  vocab: number;
  /** DeepStack features beside `features`. */
  deepstack: number;
}

/**
 * Inputs that the session layer binds for a decoder program, where the program declares them:
 * `input_ids` i32 [rows,1] · `position_ids` i32 [rows,1|3] · `feature_index` i32 [rows,1] (row of `features`, -1 for
 * text) · `features` f32 [features,hidden] · `features.1`… (DeepStack) · `logit_rows` i32 [logits,1].
 * Its output is `logits` f32 [logits,vocab]. Where a head for guesses goes with it (`mtp`, native/session/mtp.h), it also
 * reads `position_ids_before`, those of the row before, and yields `hidden` f32 [logits,hidden]; the head's inputs are
 * `input_ids`, `position_ids` (of the row before, too) and `hidden.before`, its outputs `logits` and `hidden`. A vision program's inputs come from the family's processor by name;
 * its outputs are `features` and, for DeepStack, `features.1`…, each f32 [image tokens, hidden].
 */
export function decoderWidths({ values, inputs, outputs }: Program): DecoderWidths {
  const features = inputs.map((i) => values[i]!).filter(({ name }) => /^features(\.\d+)?$/.test(name));
  return {
    hidden: features[0]!.width,
    vocab: values[outputs[0]!]!.width,
    deepstack: features.length - 1,
  };
}
