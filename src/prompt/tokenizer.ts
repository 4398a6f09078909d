// Text ↔ token ids by the checkpoint's tokenizer.json, or what stands for it. A prompt's control tokens are single ids exactly where the
// template wrote them; the same characters typed by a person become ordinary text tokens.
import { Tokenizer as HubTokenizer } from '@huggingface/tokenizers';
import { AfterimageError } from '../errors.js';
import { readJson } from '../models/checkpoint/json-file.js';
import { readTokenizer } from '../models/checkpoint/tiktoken.js';
import type { GuardedText } from './guard.js';
import { mergeWordByWord, type MergedVocabulary } from './words.js';
import { vocabularyOf, type Vocabulary } from './vocabulary.js';

export interface AddedToken {
  id: number;
  content: string;
  special?: boolean;
}

/** Tokens with which a model says where something is: control tokens that are the answer. */
const COORDINATE = /^<loc\d{4}>$/;

/** A control token of an encoded prompt. */
export interface Anchor {
  id: number;
  /** Offsets into the prompt's text. */
  start: number;
  end: number;
  /** Index into the ids. */
  token: number;
}

export interface EncodedPrompt {
  ids: number[];
  anchors: Anchor[];
}

export class Tokenizer {
  readonly #json: Record<string, unknown>;
  readonly #hub: HubTokenizer;
  readonly #added: AddedToken[];
  readonly #byFirst: Map<string, AddedToken[]>;
  readonly #special: Set<number>;
  /** Whether the model was trained on read lines that are encoded a character at a time. */
  readonly spellsReadings: boolean;
  /** What the tokenizer puts in front of a text that does not begin with it; '' where nothing. */
  readonly begin: string;

  constructor(tokenizerJson: Record<string, unknown>, tokenizerConfig: Record<string, unknown>) {
    this.#json = tokenizerJson;
    this.#hub = new HubTokenizer(tokenizerJson, tokenizerConfig);
    keepByteOrderMarks(this.#hub);
    mergeByRank(this.#hub, tokenizerJson.model as RankedModel | undefined);
    mergeWordByWord(this.#hub, tokenizerJson.model as MergedVocabulary | undefined);
    this.#added = tokenizerJson.added_tokens as AddedToken[];
    this.#special = new Set(
      this.#added.filter(({ special, content }) => special && !COORDINATE.test(content)).map(({ id }) => id),
    );
    this.#byFirst = groupByFirst(this.#added);
    this.spellsReadings = tokenizerConfig['spells_readings'] === true;
    this.begin = beginningOf(tokenizerJson.post_processor);
  }

  /**
   * @param read Its tokenizer.json, where that may have been parsed before.
   * @param config Its tokenizer_config.json, where there is no such file.
   * @throws AfterimageError INVALID_CHECKPOINT when the files are missing or not a tokenizer.
   */
  static load(
    folder: string,
    read: () => Record<string, unknown> | undefined = () => readTokenizer(folder),
    config?: Record<string, unknown>,
  ): Tokenizer {
    const tokenizerJson = read();
    if (!tokenizerJson)
      throw new AfterimageError(
        'INVALID_CHECKPOINT',
        `"${folder}" has no tokenizer.json or tiktoken.model; other forms (tokenizer.model, vocab.json) are not read, so take a copy that has one, such as an MLX conversion.`,
      );
    try {
      return new Tokenizer(tokenizerJson, config ?? readJson(folder, 'tokenizer_config.json') ?? {});
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
      throw invalid(`tokenizer.json of "${folder}" cannot be used (${reason})`, cause);
    }
  }

  /** Plain text, added tokens recognised, nothing prepended. @throws AfterimageError INVALID_CHECKPOINT */
  encode(text: string): number[] {
    return text === '' ? [] : working(() => this.#hub.encode(text, { add_special_tokens: false }).ids);
  }

  /** @throws AfterimageError INVALID_CHECKPOINT */
  decode(ids: readonly number[], skipSpecial = true): string {
    if (ids.length === 0) return '';
    const kept = skipSpecial ? ids.filter((id) => !this.#special.has(id)) : [...ids];
    if (kept.length === 0) return '';
    return working(() => this.#hub.decode(kept, { clean_up_tokenization_spaces: false }));
  }

  /** @param size How many tokens the model tells apart. @param ends Those that end an answer. @returns undefined where tokens are not simply bytes */
  vocabulary(size: number, ends: readonly number[]): Vocabulary | undefined {
    return vocabularyOf(this.#json, [...this.#added.map(({ id }) => id), ...ends], size);
  }

  /** Id of an added token or vocabulary entry. */
  tokenId(token: string): number | undefined {
    return this.#hub.token_to_id(token);
  }

  /** Every entry of added_tokens; `special` as in tokenizer.json. */
  get addedTokens(): readonly AddedToken[] {
    return this.#added;
  }

  /**
   * Encodes a rendered prompt. Where a cut lies inside a control token, the text is encoded in two parts that meet
   * there, as at every seam; everywhere else it is encoded as one, so text without control strings gets the reference's ids.
   * @param controls Ids of the added tokens that must come from the template only; each becomes an anchor.
   * @throws AfterimageError INVALID_ARGUMENT when normalisation turns typed text into a control token.
   */
  encodePrompt({ text, cuts, seams }: GuardedText, controls: ReadonlySet<number>): EncodedPrompt {
    const ids: number[] = [];
    const anchors: Anchor[] = [];
    let start = 0;
    const ends = new Set([...this.#crossed(text, cuts), ...seams, text.length]);
    for (const end of [...ends].sort((a, b) => a - b)) {
      this.#encodePart(text.slice(start, end), start, controls, ids, anchors);
      start = end;
    }
    return { ids, anchors };
  }

  #encodePart(
    part: string,
    offset: number,
    controls: ReadonlySet<number>,
    ids: number[],
    anchors: Anchor[],
  ): void {
    const expected = this.#matches(part).filter(({ id }) => controls.has(id));
    const encoded = this.encode(part);
    let next = 0;
    encoded.forEach((id, i) => {
      if (!controls.has(id)) return;
      const match = expected[next++];
      if (match?.id !== id) throw hiddenControl();
      anchors.push({ id, start: offset + match.start, end: offset + match.end, token: ids.length + i });
    });
    if (next !== expected.length) throw hiddenControl();
    for (const id of encoded) ids.push(id);
  }

  /** Cuts that lie inside what would be read as an added token. */
  #crossed(text: string, cuts: readonly number[]): number[] {
    const longest = Math.max(0, ...this.#added.map(({ content }) => content.length));
    return cuts.filter((cut) => {
      for (let at = Math.max(0, cut - longest + 1); at < cut; at++) {
        const crossing = this.#byFirst
          .get(text[at]!)
          ?.some(
            ({ content }) =>
              at + content.length > cut && content.trim() !== '' && text.startsWith(content, at),
          );
        if (crossing) return true;
      }
      return false;
    });
  }

  /** Added tokens in `text`: leftmost first and the longest of them, as the tokenizer finds them. */
  #matches(text: string): { id: number; start: number; end: number }[] {
    const found: { id: number; start: number; end: number }[] = [];
    for (let at = 0; at < text.length;) {
      const token = this.#byFirst.get(text[at]!)?.find(({ content }) => text.startsWith(content, at));
      if (token) found.push({ id: token.id, start: at, end: at + token.content.length });
      at += token ? token.content.length : 1;
    }
    return found;
  }
}

/** The library's byte fallback takes U+FEFF for a byte order mark and drops it; in text it is a character. */
function keepByteOrderMarks({ decoder }: HubTokenizer): void {
  const steps: unknown[] = (decoder as { decoders?: unknown[] } | null)?.decoders ?? [decoder];
  for (const step of steps as ({ config?: { type?: string }; text_decoder?: unknown } | null)[]) {
    if (step?.config?.type === 'ByteFallback')
      step.text_decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  }
}

interface RankedModel {
  vocab: Record<string, number>;
  merge_by_rank?: boolean;
  /** By id, where that is not the id itself; null where nothing is merged into the token. */
  ranks?: (number | null)[];
}

interface MergeNode {
  token: string;
  next: MergeNode;
  /** Breaks ties: below 1, smaller further left. */
  bias: number;
  score: number;
}

/** The library looks merges up in a list of pairs; by ranks they are all pairs that make a token. */
function mergeByRank(
  { model }: HubTokenizer,
  { vocab, merge_by_rank, ranks: own }: Partial<RankedModel> = {},
): void {
  if (!merge_by_rank) return;
  const byToken = Object.entries(vocab!).map(([token, id]) => [token, own ? own[id] : id] as const);
  const ranks = new Map(byToken.filter((entry): entry is [string, number] => typeof entry[1] === 'number'));
  (model as unknown as { add_node: unknown }).add_node = (
    queue: { push(node: MergeNode): void },
    node: MergeNode,
  ) => {
    const rank = ranks.get(node.token + node.next.token);
    if (rank === undefined) return;
    node.score = rank + node.bias;
    queue.push(node);
  };
}

/** Longest first. */
function groupByFirst(tokens: readonly AddedToken[]): Map<string, AddedToken[]> {
  const groups = new Map<string, AddedToken[]>();
  for (const token of tokens) {
    if (token.content === '') continue;
    const group = groups.get(token.content[0]!) ?? [];
    groups.set(
      token.content[0]!,
      [...group, token].sort((a, b) => b.content.length - a.content.length),
    );
  }
  return groups;
}

/** What a tokenizer is made of shows only when it works; where it does not, that is its files' fault. */
function working<T>(part: () => T): T {
  try {
    return part();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0]! : String(cause);
    throw invalid(`The checkpoint's tokenizer does not work (${reason.slice(0, 200)})`, cause);
  }
}

function invalid(what: string, cause?: unknown): AfterimageError {
  return new AfterimageError('INVALID_CHECKPOINT', `${what}; download the checkpoint again.`, { cause });
}

function hiddenControl(): AfterimageError {
  return new AfterimageError(
    'INVALID_ARGUMENT',
    "The text contains characters that this model's tokenizer would turn into a control token; rephrase it.",
  );
}

/** The special tokens before the text in a post-processor's template for one text; some are one step of a sequence. */
function beginningOf(postProcessor: unknown): string {
  const { type, single, processors } = (postProcessor ?? {}) as {
    type?: string;
    single?: { SpecialToken?: { id: string } }[];
    processors?: unknown[];
  };
  if (type === 'Sequence') return (processors ?? []).map(beginningOf).join('');
  if (type !== 'TemplateProcessing' || !single) return '';
  const text = single.findIndex((piece) => !piece.SpecialToken);
  return single
    .slice(0, Math.max(0, text))
    .map((piece) => piece.SpecialToken!.id)
    .join('');
}
