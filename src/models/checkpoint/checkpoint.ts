// A checkpoint folder as families see it: merged configs and the stored tensors' names, dtypes and shapes.

export interface StoredTensorInfo {
  /** safetensors dtype: "F32", "F16", "BF16", "U32", "U8", "F8_E4M3", … */
  dtype: string;
  shape: number[];
}

export type TokenIds = Map<string, number | undefined>;

export interface Checkpoint {
  folder: string;
  /** config.json, parsed. */
  config: Record<string, unknown>;
  generationConfig: Record<string, unknown>;
  /** preprocessor_config.json, its media_proc_cfg, and processor_config.json's image_processor, merged in that order. */
  imageProcessor: Record<string, unknown>;
  /** processor_config.json without image_processor. */
  processor: Record<string, unknown>;
  tensors: Map<string, StoredTensorInfo>;
  /** Absolute paths of the safetensors files. */
  files: string[];
  /** Id of a special token by its string, from tokenizer.json; undefined where absent. */
  tokenId(token: string): number | undefined;
  /** tokenizer.json, parsed once; absent where a checkpoint is no folder. */
  tokenizer?(): Record<string, unknown> | undefined;
  /** What `tokenId` has said so far: opened with it, a checkpoint need not parse its tokenizer for the same questions. */
  tokenIds?: TokenIds;
}
