// Which server this is, from how it lists its models, and what it understands beyond the common denominator.
import { PEER } from './peer.js';

export type ServerKind =
  | 'afterimage'
  | 'vLLM'
  | 'SGLang'
  | 'llama-server'
  | 'LM Studio'
  | 'Ollama'
  | 'mlx-vlm'
  | 'exo'
  | 'OpenAI-compatible server';

/** How an answer that was cut is gone on with: not at all, by a field, or by an assistant's message at the end. */
type Continuation = 'none' | 'field' | 'message';

export interface Traits {
  continuation: Continuation;
  /** Images are named by our id, and need not be sent again while they are known. */
  uuid: boolean;
  /** top_k, min_p, and how a repetition penalty is called. */
  sampling?: 'repetition_penalty' | 'repeat_penalty';
  /** Answers by a JSON Schema: `response_format`. */
  schemas: boolean;
  /** Fields of every request. */
  extras: Record<string, unknown>;
}

/** Thinking before looking makes answers longer and worse; templates that know no such switch ignore it. */
const NO_THINKING = { chat_template_kwargs: { enable_thinking: false } };
const COMMON: Traits = { continuation: 'none', uuid: false, schemas: true, extras: {} };
const WITHOUT_SCHEMAS: Traits = { ...COMMON, schemas: false };

export const TRAITS: Record<ServerKind, Traits> = {
  afterimage: {
    continuation: 'field',
    uuid: true,
    sampling: 'repetition_penalty',
    schemas: true,
    extras: {},
  },
  vLLM: {
    continuation: 'field',
    uuid: true,
    sampling: 'repetition_penalty',
    schemas: true,
    extras: NO_THINKING,
  },
  SGLang: {
    continuation: 'field',
    uuid: false,
    sampling: 'repetition_penalty',
    schemas: true,
    extras: NO_THINKING,
  },
  'llama-server': {
    continuation: 'message',
    uuid: false,
    sampling: 'repeat_penalty',
    schemas: true,
    extras: { ...NO_THINKING, return_progress: true },
  },
  'LM Studio': COMMON,
  Ollama: COMMON,
  'mlx-vlm': WITHOUT_SCHEMAS,
  exo: WITHOUT_SCHEMAS,
  'OpenAI-compatible server': COMMON,
};

/** By whom the models of a list are owned. */
const OWNERS: Record<string, ServerKind> = {
  [PEER]: 'afterimage',
  vllm: 'vLLM',
  sglang: 'SGLang',
  llamacpp: 'llama-server',
  organization_owner: 'LM Studio',
  library: 'Ollama',
  'mlx-vlm': 'mlx-vlm',
  exo: 'exo',
};

/** @param server The response's Server header. */
export function kindOf(owner: string | undefined, server: string | null): ServerKind {
  if (owner !== undefined && Object.hasOwn(OWNERS, owner)) return OWNERS[owner]!;
  return /llama\.cpp/i.test(server ?? '') ? 'llama-server' : 'OpenAI-compatible server';
}
