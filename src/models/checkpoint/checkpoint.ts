// A checkpoint folder as families see it: merged configs and the stored tensors' names, dtypes and shapes.

export interface StoredTensorInfo {
  /** safetensors dtype: "F32", "F16", "BF16", "U32", "U8", "F8_E4M3", … */
  dtype: string;
  shape: number[];
  /** Where it is stored otherwise than it is read: the tensors of which it is made, stacked along a new first axis where
   * there are several, and the order in which all axes are read; or its values, of which there are few. */
  made?: { tensors: string[]; permute?: number[]; values?: number[] };
  /** Weights of a norm that are stored with the 1 that the family adds. */
  plusOne?: boolean;
}

/** What is read in place of a file's own header: one of safetensors, and where the data begins. */
export interface FileHeader {
  json: string;
  start: number;
}

export type TokenIds = Map<string, number | undefined>;

export interface Checkpoint {
  folder: string;
  /** config.json, parsed. */
  config: Record<string, unknown>;
  generationConfig: Record<string, unknown>;
  /** preprocessor_config.json, its media_proc_cfg, and processor_config.json's image_processor, merged in that order. */
  imageProcessor: Record<string, unknown>;
  /** processor_config.json's video_processor, else video_preprocessor_config.json, else preprocessor_config.json. */
  videoProcessor?: Record<string, unknown>;
  /** processor_config.json without image_processor. */
  processor: Record<string, unknown>;
  tensors: Map<string, StoredTensorInfo>;
  /** Absolute paths of the files of weights. */
  files: string[];
  /** By path, for those that are no safetensors, or of which not all tensors are wanted. */
  headers?: Record<string, FileHeader>;
  /** Id of a special token by its string, from tokenizer.json; undefined where absent. */
  tokenId(token: string): number | undefined;
  /** tokenizer.json, parsed once; absent where a checkpoint is no folder. */
  tokenizer?(): Record<string, unknown> | undefined;
  /** Where they stand in no files of the folder: the chat template, and tokenizer_config.json. */
  chatTemplate?: string;
  tokenizerConfig?: Record<string, unknown>;
  /** What `tokenId` has said so far: opened with it, a checkpoint need not parse its tokenizer for the same questions. */
  tokenIds?: TokenIds;
}
