// tokenizer.json as a GGUF's metadata states it: byte-level BPE, SentencePiece's BPE (by scores), and BPE over text with
// bytes as a last resort. Token types: 1 normal, 2 unknown, 3 control, 4 added by hand, 5 unused, 6 a byte.
import { AfterimageError } from '../../errors.js';
import type { Json } from '../checkpoint/json-file.js';
import type { GgufFile } from './gguf-file.js';

const [UNKNOWN, CONTROL, ADDED, UNUSED, BYTE] = [2, 3, 4, 5, 6];

const split = (regex: string): Json => ({
  type: 'Split',
  pattern: { Regex: regex },
  behavior: 'Isolated',
  invert: false,
});
const byteLevel = (use_regex: boolean): Json => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex,
});

/** How `tokenizer.ggml.pre` cuts a text into words; the patterns are those of the models' own tokenizer.json. */
const WORDS: Record<string, Json[]> = {
  qwen2: [
    split(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ),
    byteLevel(false),
  ],
  qwen35: [
    split(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ),
    byteLevel(false),
  ],
  smollm: [{ type: 'Digits', individual_digits: true }, byteLevel(true)],
  'gpt-2': [byteLevel(true)],
};
const NORMALIZED: readonly string[] = ['qwen2', 'qwen35'];

export interface GgufVocabulary {
  tokens: string[];
  types: number[];
}

export function vocabularyOf(file: GgufFile): GgufVocabulary {
  const tokens = file.list<string>('tokenizer.ggml.tokens');
  const types = file.list<number>('tokenizer.ggml.token_type');
  if (!tokens) throw unsupported(file, 'states no tokens');
  return { tokens, types: types ?? tokens.map(() => 1) };
}

/**
 * @param extra Tokens that belong to the model and are not in its vocabulary; they follow it.
 * @throws AfterimageError MODEL_UNSUPPORTED for a kind of tokenizer that is not read.
 */
export function tokenizerOf(file: GgufFile, extra: readonly string[] = []): Json {
  const vocabulary = vocabularyOf(file);
  const kind = file.text('tokenizer.ggml.model');
  const shared = {
    added_tokens: addedTokens(vocabulary, extra),
    post_processor: beginning(file, vocabulary),
  };
  if (kind === 'gpt2') return { ...shared, ...byteBpe(file, vocabulary) };
  if (kind === 'llama' || kind === 'gemma4')
    return { ...shared, ...textBpe(file, vocabulary, kind === 'llama') };
  throw unsupported(file, `has a tokenizer of kind "${kind ?? 'none'}"`);
}

function addedTokens({ tokens, types }: GgufVocabulary, extra: readonly string[]): Json[] {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  const own = tokens.flatMap((content, id) => {
    const type = types[id];
    return type === CONTROL || type === ADDED || type === UNKNOWN
      ? [{ id, content, special: type !== ADDED, ...flags }]
      : [];
  });
  return [
    ...own,
    ...extra.map((content, i) => ({ id: tokens.length + i, content, special: true, ...flags })),
  ];
}

/** Tokens that text is made of. */
function textTokens({ tokens, types }: GgufVocabulary, bytes: boolean): Record<string, number> {
  return Object.fromEntries(
    tokens.flatMap((token, id): [string, number][] => {
      const type = types[id];
      const spoken = type !== CONTROL && type !== ADDED && type !== UNUSED && (bytes || type !== BYTE);
      return spoken ? [[token, id]] : [];
    }),
  );
}

function byteBpe(file: GgufFile, vocabulary: GgufVocabulary): Json {
  const pre = file.text('tokenizer.ggml.pre') ?? 'gpt-2';
  const words = WORDS[pre];
  if (!words) throw unsupported(file, `cuts text into words as "${pre}"`);
  return {
    normalizer: NORMALIZED.includes(pre) ? { type: 'NFC' } : null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: words },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      vocab: textTokens(vocabulary, false),
      merges: (file.list<string>('tokenizer.ggml.merges') ?? []).map(pairOf),
    },
  };
}

/** The two parts of a merge; in text they may begin with the blank that also parts them. */
function pairOf(merge: string): [string, string] {
  const at = merge.indexOf(' ', 1);
  return [merge.slice(0, at), merge.slice(at + 1)];
}

function textBpe(file: GgufFile, vocabulary: GgufVocabulary, byScores: boolean): Json {
  const unknown = vocabulary.tokens[file.number('tokenizer.ggml.unknown_token_id') ?? -1];
  const scores = file.list<number>('tokenizer.ggml.scores');
  return {
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    pre_tokenizer: {
      type: 'Split',
      pattern: { String: ' ' },
      behavior: 'MergedWithPrevious',
      invert: false,
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
      ],
    },
    model: {
      type: 'BPE',
      unk_token: unknown ?? null,
      fuse_unk: true,
      byte_fallback: true,
      vocab: textTokens(vocabulary, true),
      merges: byScores ? [] : (file.list<string>('tokenizer.ggml.merges') ?? []).map(pairOf),
      ...(byScores && { merge_by_rank: true, ranks: ranksOf(vocabulary, scores) }),
    },
  };
}

/** By id: the better its score, the sooner two neighbours are merged into a token; those that are no text never are. */
function ranksOf(
  { tokens, types }: GgufVocabulary,
  scores: readonly number[] | undefined,
): (number | null)[] {
  const order = tokens.map((_, id) => id);
  if (scores) order.sort((a, b) => scores[b]! - scores[a]! || a - b);
  const ranks: (number | null)[] = tokens.map(() => null);
  order.forEach((id, rank) => {
    if (types[id] === 1) ranks[id] = rank;
  });
  return ranks;
}

/** What stands before every text, where the file says that something does. */
function beginning(file: GgufFile, { tokens }: GgufVocabulary): Json | null {
  const kind = file.text('tokenizer.ggml.model');
  const adds = file.value('tokenizer.ggml.add_bos_token') ?? kind === 'llama';
  const id = file.number('tokenizer.ggml.bos_token_id');
  const token = id === undefined ? undefined : tokens[id];
  if (adds !== true || token === undefined) return null;
  const own = { SpecialToken: { id: token, type_id: 0 } };
  return {
    type: 'TemplateProcessing',
    single: [own, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [own, { Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  };
}

/** tokenizer_config.json, as far as templates ask for it. */
export function tokenizerConfigOf(file: GgufFile): Json {
  const { tokens } = vocabularyOf(file);
  const names = { bos: 'bos', eos: 'eos', pad: 'padding', unk: 'unknown' };
  return Object.fromEntries(
    Object.entries(names).flatMap(([name, key]) => {
      const id = file.number(`tokenizer.ggml.${key}_token_id`);
      const token = id === undefined ? undefined : tokens[id];
      return token === undefined ? [] : [[`${name}_token`, token]];
    }),
  );
}

function unsupported(file: GgufFile, what: string): AfterimageError {
  return new AfterimageError(
    'MODEL_UNSUPPORTED',
    `"${file.path}" ${what}, which is not supported; take a checkpoint with a tokenizer.json, such as an MLX one.`,
  );
}
