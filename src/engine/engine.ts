// The engine as the tools see it: a loaded model and sessions over full prompts. No tools, no MCP, no pixels policy.
import type { BoxScale } from '../image/region.js';
import type { ImageInput } from '../image/rgb-image.js';
import type { Message } from '../prompt/message.js';

export interface SamplingOptions {
  /** 0 = greedy (default). */
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repetitionPenalty?: number;
  seed?: number;
  /** Tokens of thoughts before an answer, at most, for models that think; they do not count as the answer's. */
  thinkingTokens?: number;
}

/** Characters of a text that an answer may repeat; answers are shorter, and every token is looked for in it. */
export const MOST_EXPECTED = 32_768;

export type JsonSchema = Readonly<Record<string, unknown>>;

export type Stage = 'build' | 'queue' | 'load' | 'encode' | 'prefill' | 'decode';

export interface Progress {
  stage: Stage;
  /** Units of the stage (images, tokens); total is absent where it cannot be known. */
  done: number;
  total?: number;
}

export interface AskOptions extends SamplingOptions {
  maxTokens?: number;
  /** Strings that end the answer; they are not part of it. */
  stop?: string[];
  /** Ends the answer with stopReason "cancelled" and what there is of it, which can be continued. */
  signal?: AbortSignal;
  onText?: (text: string) => void;
  /** What the model thinks before it answers, as it comes. */
  onThought?: (text: string) => void;
  /** Also say how probable each token was; for models with a small vocabulary. */
  certainty?: boolean;
  onProgress?: (progress: Progress) => void;
  /** Instead of an answer in the model's own words: how probable is each of these? Nothing is sampled. */
  choices?: readonly string[];
  /** A JSON Schema that the answer holds by, whole; it is JSON then, and nothing else. */
  schema?: JsonSchema;
  /** Text that the answer may repeat, such as what the reader found in the image: guesses come from it, and nothing else. At most MOST_EXPECTED characters. */
  expected?: string;
  /** Tokens of an earlier answer of this model that this one may repeat, likewise; at most MOST_EXPECTED. */
  repeats?: readonly number[];
  /** An answer that was cut: its tokens are fed to the model as the start of its turn, and the new answer includes it. */
  continues?: AnswerSoFar;
}

/** What continues an answer exactly where it ended: tokens, because text may be tokenized differently when read again. */
export type AnswerSoFar = Pick<Answer, 'text' | 'tokenIds'>;

export type StopReason = 'end' | 'stop' | 'length' | 'loop' | 'cancelled';

/** What an engine elsewhere does not report is absent. */
export interface CacheReport {
  image_tokens?: number;
  image_tokens_reused?: number;
  prompt_tokens?: number;
  prompt_tokens_reused?: number;
  /** Of images cut into tiles that are encoded apart, where one was encoded: its tiles, and those that were not run. */
  tiles?: number;
  tiles_reused?: number;
  encode_ms?: number;
  prefill_ms?: number;
  /** Best tier that served image tokens of this prompt; remote: another server's, which keeps its tiers to itself. */
  source: 'none' | 'features' | 'memory' | 'disk' | 'remote';
}

/** Of a question that the engine did not get to. */
export const NOTHING_DONE: Required<Omit<CacheReport, 'tiles' | 'tiles_reused'>> = {
  image_tokens: 0,
  image_tokens_reused: 0,
  prompt_tokens: 0,
  prompt_tokens_reused: 0,
  encode_ms: 0,
  prefill_ms: 0,
  source: 'none',
};

export interface Answer {
  text: string;
  /** What the model thought before; no part of the text. Absent where it did not. */
  thinking?: string;
  /** The tokens that thoughts and text are made of and, where it was cut inside a character, those of the character's beginning. */
  tokenIds: number[];
  /** How many tokens were generated, where they have no ids here. */
  tokens?: number;
  stopReason: StopReason;
  cache: CacheReport;
  decodeMs: number;
  /** Tokens that were guessed and verified in one run with others; of them those that were right. */
  drafted?: number;
  accepted?: number;
  /** Where a schema was asked for: `text` is a whole value that holds by it. */
  whole?: boolean;
  /** Size in which the model saw each image of the prompt, in prompt order; of an engine elsewhere, in which it got it. */
  viewed: { width: number; height: number; tokens?: number }[];
  /** Of the tokens of this call, where it was asked for. */
  certainty?: TokenCertainty[];
  /** As they were given; `text` is then the most probable of them, the first of equals. */
  choices?: ChoiceWeight[];
}

/** How probable the model makes it that its answer is exactly this. */
export interface ChoiceWeight {
  text: string;
  /** Natural logarithm of the product over its tokens, the end of the turn included. */
  logProbability: number;
  /** How many factors that product has. */
  tokens: number;
}

export interface TokenCertainty {
  /** Length of the text with the token. */
  end: number;
  /** Of the token among all, 0 to 1. */
  probability: number;
}

/** One mutable timeline. The caller always passes the full conversation; the session reuses what it can. */
export interface Session {
  readonly id: string;
  ask(messages: Message[], options?: AskOptions): Promise<Answer>;
  /** A second session that shares everything computed so far. */
  fork(): Session;
  /** Idempotent; an answer in progress ends with stopReason "cancelled". */
  close(): void;
}

export interface ModelInfo {
  name: string;
  /** Of what its answers follow from beside the prompt: weights, scripts, kernels, precision. Absent of a model elsewhere. */
  identity?: string;
  /** Of a model elsewhere what its server tells; the rest is absent. */
  modelType?: string;
  parameters?: number;
  precision?: 'exact' | 'fast' | 'faster';
  backend: string;
  contextLength?: number;
  /** It ships with the project: results say once that it is small. */
  bundled: boolean;
  /**
   * It was trained to answer from the read lines of an image: it is given them unless the caller says otherwise, and what it
   * says is held back where it is unsure or quotes what was not read.
   */
  readsAlong: boolean;
  /** Pixels with which a picture is seen at most unless it is looked at closely, where this machine is slow. */
  usualPixels?: number;
  /** How it writes places, where it does; `lines`: also of the lines of a text. */
  boxes: { scale: BoxScale; lines: boolean } | null;
  /** A cut answer cannot be gone on with; it has to be asked for anew. */
  endsForGood?: boolean;
}

export interface EngineStatus {
  model: ModelInfo | null;
  state: 'idle' | 'loading' | 'ready' | 'failed' | 'closed';
  sessions: number;
  /** Bytes per tier, hits, misses, evictions: native counters under stable names. */
  cache: Record<string, number>;
  /** Bytes that it may take for each, once it is loaded. */
  budgets?: Record<string, number>;
}

/** A stretch of prompts in which nothing parts: computed once for all that goes on from it. */
export interface KeptBranch {
  /** Index of the branch that it goes on from, before this one's; absent: prompts begin with it, or it lies on disk alone. */
  parent?: number;
  tokens: number;
  bytes: number;
  where: 'memory' | 'both' | 'disk';
  /** Handles of the pictures that begin in it; "" where that is not known. */
  images: string[];
}

export interface KeptTree {
  /** The largest. */
  branches: KeptBranch[];
  /** How many smaller ones were left out. */
  more: number;
}

export interface Engine {
  /** Starts loading if that has not begun; resolves when the model can answer. */
  ready(onProgress?: (progress: Progress) => void): Promise<ModelInfo>;
  open(): Session;
  /** Encodes and prefills images behind the canonical system text at low priority; real work pre-empts it. */
  warm(images: ImageInput[], signal?: AbortSignal): Promise<void>;
  status(): EngineStatus;
  /** What its cache holds now; null for an engine without one of its own, or that is not loaded. */
  tree(): Promise<KeptTree | null>;
  close(): Promise<void>;
}
