// The native engine object, call by call. native/session/engine.h says what each does; native/addon renames only.
import type { FileHeader } from '../models/checkpoint/checkpoint.js';
import type { NamedTensor } from '../models/family.js';
import type { GrammarTables } from '../schema/tables.js';
import type { CacheReport } from './engine.js';

/**
 * exact: f32. fast: activations of quantized matrices in 15 bits. faster (CPU only): in 8 bits, and where the processor
 * multiplies bytes fast, unquantized matrices, queries and keys of the vision encoder in bytes.
 */
export type Precision = 'exact' | 'fast' | 'faster';
/** Element type of the KV cache. */
export type KvType = 'f32' | 'f16' | 'bf16' | 'q8';
export type BackendName = 'cpu' | 'metal';

export interface NativeEngineOptions {
  backend: BackendName;
  /** 0: all physical cores. */
  threads: number;
  precision: Precision;
  kvType: KvType;
  /** Prefill rows of one run. */
  chunkRows: number;
  budgets: { kvBytes: number; featureBytes: number; scratchBytes: number };
  /** folder "": no disk tier. */
  disk: { folder: string; maxBytes: number; maxAgeSeconds: number };
  files: string[];
  headers?: Record<string, FileHeader>;
  /** Programs as JSON. */
  vision: string;
  decoder: string;
  /** Absent: the model has no head for guesses. */
  mtp?: string;
  traits: {
    positionAxes: number;
    visibility: 'causal' | 'block' | 'prefix';
    deepstack: number;
    hidden: number;
    vocab: number;
    context: number;
  };
}

/** What a model will take, from its programs and the headers of its files. native/session/memory_need.h */
export interface NativeMemoryNeed {
  weightBytes: number;
  /** KV of 64 positions. */
  blockBytes: number;
  /** Recurrent state of one sequence. */
  stateBytes: number;
  /** Scratch while each of the images is looked at. */
  images: { visionBytes: number; decoderBytes: number }[];
}

export interface NativePrompt {
  ids: Int32Array;
  /** [n][axes] */
  positionIds: Int32Array;
  featureIndex: Int32Array;
  spans: {
    start: number;
    end: number;
    key: Uint8Array;
    symbols: Record<string, number>;
    /** Written into files of this image, at most 512 bytes; part of no comparison. */
    label?: string;
  }[];
  /** Token counts worth a state snapshot: turn ends. */
  marks: Int32Array;
  ropeDelta: number;
  prefixLength: number;
}

/** CacheReport of engine.ts. */
export interface NativeCacheReport {
  imageTokens: number;
  imageTokensReused: number;
  promptTokens: number;
  promptTokensReused: number;
  tiles: number;
  tilesReused: number;
  encodeMs: number;
  prefillMs: number;
  source: Exclude<CacheReport['source'], 'remote'>;
}

export interface NativeRequestOptions {
  /** 0: nothing is sampled. */
  maxTokens: number;
  lowPriority: boolean;
  /** Continuations of the prompt that are weighed instead, by their tokens; maxTokens is then 0. */
  choices: Int32Array[];
}

export interface NativePlan {
  cache: NativeCacheReport;
  /** Keys of images whose features must be encoded before generate(). */
  needed: Uint8Array[];
  maxTokens: number;
}

export interface NativeGenerateOptions {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  repetitionPenalty: number;
  seed: number;
  stopIds: Int32Array;
  /** Absent: any answer. */
  grammar?: NativeGrammar;
  captureLogits: boolean;
  weighTokens: boolean;
  /** Guess tokens and verify them in one run: the same answer, sooner. */
  draft: boolean;
  /** Tokens of a text that the answer may repeat: guesses are taken from it, too. */
  expected?: Int32Array;
  /** What a guessed token costs, in runs without it; absent: as measured. For tests. */
  draftPrice?: number;
}

/** What the answer must keep to, and the tokens with which it has begun. */
export type NativeGrammar = GrammarTables & { begun: Int32Array };

export interface NativeResult {
  tokens: Int32Array;
  stop: 'end' | 'length' | 'finished' | 'cancelled';
  cache: NativeCacheReport;
  decodeMs: number;
  /** Tokens that were guessed and run; of them those that were right. */
  drafted: number;
  accepted: number;
  /** Why the end of a whole answer is not in the cache, where something failed behind it. */
  unkept?: { code: string; message: string };
  /** With a grammar: the answer is whole by it; it had to be made whole sooner than it would have been. */
  whole: boolean;
  hurried: boolean;
  /** With captureLogits. */
  logits: Float32Array[];
  /** Of `tokens`, with weighTokens: softmax of the row that each was sampled from. */
  probabilities: Float32Array;
  /** Of each of the request's choices: log-probabilities of its tokens, then that of the end, by any of stopIds. */
  choices: Float64Array[];
}

export type NativeStage = 'queue' | 'encode' | 'prefill' | 'decode';

export interface NativeEngine {
  load(
    onProgress: (doneBytes: number, totalBytes: number) => void,
  ): Promise<{ digest: string; backend: string; weightBytes: number }>;
  begin(prompt: NativePrompt, options: NativeRequestOptions): { request: number; plan: Promise<NativePlan> };
  /** Reads `inputs` where they lie: they are neither written to nor handed over until the promise has settled. */
  encode(request: number, key: Uint8Array, inputs: Record<string, NamedTensor>): Promise<void>;
  generate(
    request: number,
    options: NativeGenerateOptions,
    onTokens: (ids: Int32Array) => void,
    onProgress: (stage: NativeStage, done: number, total: number) => void,
  ): Promise<NativeResult>;
  /** Once, before the first grammar: the bytes of each token of text, one after another, and where they end. */
  setVocabulary(bytes: Uint8Array, ends: Int32Array): Promise<void>;
  /** An answer that keeps to a grammar ends as soon as it can. */
  finish(request: number): void;
  cancel(request: number): void;
  stats(): Record<string, number | string>;
  /** Parents first; parent −1: none. `labels`: of the images that begin in it. Larger ones before smaller. */
  tree(most: number): Promise<{
    branches: {
      parent: number;
      tokens: number;
      bytes: number;
      memory: boolean;
      disk: boolean;
      labels: string[];
    }[];
    more: number;
  }>;
  clearMemory(): void;
  flushDisk(): Promise<void>;
  close(): Promise<void>;
}

export type NativeEngineConstructor = new (options: NativeEngineOptions) => NativeEngine;
