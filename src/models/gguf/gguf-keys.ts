// What the families of GGUF pairs have in common: where their files' metadata say what config.json says elsewhere.
import { AfterimageError } from '../../errors.js';
import type { Json } from '../checkpoint/json-file.js';
import type { GgufFile } from './gguf-file.js';
import type { Renamed } from './gguf-names.js';

export interface GgufPair {
  text: GgufFile;
  vision: GgufFile;
}

export interface GgufFamily {
  architecture: string;
  projector: string;
  /** `tokenId`: of a token of the vocabulary or of `tokens`. */
  config(pair: GgufPair, tokenId: (token: string) => number | undefined): Json;
  imageProcessor(pair: GgufPair): Json;
  /** Settings of frames, which no file states, where they are not those of images. */
  videoProcessor?: Json;
  tensors(pair: GgufPair): { text: Renamed[]; vision: Renamed[] };
  /** Tokens of the model that its vocabulary may lack. */
  tokens?: string[];
}

/** Metadata of the decoder, under its architecture's name. */
export class TextKeys {
  readonly #file: GgufFile;
  readonly #prefix: string;

  constructor(file: GgufFile) {
    this.#file = file;
    this.#prefix = `${file.text('general.architecture')}.`;
  }

  optional(key: string): number | undefined {
    return this.#file.number(`${this.#prefix}${key}`);
  }

  number(key: string): number {
    return this.optional(key) ?? missing(this.#file, `${this.#prefix}${key}`);
  }

  list<T extends number | boolean>(key: string): T[] | undefined {
    return this.#file.list<T>(`${this.#prefix}${key}`);
  }

  text(key: string): string | undefined {
    return this.#file.text(`${this.#prefix}${key}`);
  }
}

export const visionKey = ({ vision }: GgufPair, key: string): number =>
  vision.number(`clip.vision.${key}`) ?? missing(vision, `clip.vision.${key}`);

export function missing(file: GgufFile, key: string): never {
  throw new AfterimageError(
    'INVALID_CHECKPOINT',
    `"${file.path}" does not state "${key}"; take a file that a newer llama.cpp converted.`,
  );
}

/** What all decoders state. */
export function textConfig({ text }: GgufPair): Json {
  const keys = new TextKeys(text);
  const heads = keys.number('attention.head_count');
  const scaling = keys.text('rope.scaling.type');
  return {
    hidden_size: keys.number('embedding_length'),
    intermediate_size: keys.optional('feed_forward_length') ?? keys.list<number>('feed_forward_length')?.[0],
    num_hidden_layers: keys.number('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: keys.optional('attention.head_count_kv') ?? heads,
    ...(keys.optional('attention.key_length') !== undefined && {
      head_dim: keys.number('attention.key_length'),
    }),
    rms_norm_eps: keys.number('attention.layer_norm_rms_epsilon'),
    rope_theta: keys.optional('rope.freq_base') ?? 10000,
    ...(scaling !== undefined &&
      scaling !== 'none' && {
        rope_scaling: {
          rope_type: scaling,
          factor: keys.optional('rope.scaling.factor'),
          original_max_position_embeddings: keys.optional('rope.scaling.original_context_length'),
        },
      }),
    max_position_embeddings: keys.number('context_length'),
    vocab_size: text.tensors.get('token_embd.weight')?.shape[0],
    tie_word_embeddings: !text.tensors.has('output.weight'),
  };
}

/** Mean and deviation of the mmproj file. */
export function normalization({ vision }: GgufPair): Json {
  return {
    image_mean: vision.list<number>('clip.vision.image_mean') ?? missing(vision, 'clip.vision.image_mean'),
    image_std: vision.list<number>('clip.vision.image_std') ?? missing(vision, 'clip.vision.image_std'),
    rescale_factor: 1 / 255,
  };
}
