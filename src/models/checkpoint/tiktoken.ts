// tiktoken.model, the only form of a tokenizer that Kimi's own uploads have: a line a token, its bytes in base64 and its
// rank. What is built from it is read like a tokenizer.json, but for one thing: any two neighbours whose bytes together
// are a token may be merged, lowest rank first (https://github.com/openai/tiktoken).
import { join } from 'node:path';
import { AfterimageError } from '../../errors.js';
import { readJson, type Json } from './json-file.js';
import { readText } from './plain-file.js';

/** Forms of a tokenizer that are read. */
export const TOKENIZER_FILES: readonly string[] = ['tokenizer.json', 'tiktoken.model'];

/**
 * tokenizer.json where there is one, else what stands for it; undefined where there is neither.
 * @throws AfterimageError INVALID_CHECKPOINT, IO_FAILED
 */
export function readTokenizer(folder: string): Json | undefined {
  return readJson(folder, 'tokenizer.json') ?? readTiktoken(folder);
}

function readTiktoken(folder: string): Json | undefined {
  const file = join(folder, 'tiktoken.model');
  const text = readText(file);
  if (text === undefined) return undefined;
  const vocab = ranks(text, file);
  return {
    added_tokens: specialTokens(vocab.size, readJson(folder, 'tokenizer_config.json') ?? {}),
    normalizer: null,
    post_processor: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: WORDS }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(vocab),
      merges: [],
      ignore_merges: true,
      merge_by_rank: true,
    },
  };
}

/** Letters but Chinese ones, which stand for themselves; `&&` of the original is not in every version of JavaScript. */
const letters = (kinds: string) => `(?:(?!\\p{Script=Han})[${kinds}\\p{Lm}\\p{Lo}\\p{M}])`;
const UPPER = letters('\\p{Lu}\\p{Lt}');
const LOWER = letters('\\p{Ll}');
/** Without regard to case; the long s is one, too. */
const CONTRACTION = "(?:'(?:[sSſtTmMdD]|[rR][eE]|[vV][eE]|[lL][lL]))?";
const BEFORE = '[^\\r\\n\\p{L}\\p{N}]?';
/** What JavaScript's \s is not: with U+0085, without U+FEFF. */
const SPACE = '\\p{White_Space}';

/** How Kimi's tokenizer (tokenization_kimi.py, `pat_str`) cuts a text into words. */
const WORDS = [
  '[\\p{Script=Han}]+',
  `${BEFORE}${UPPER}*${LOWER}+${CONTRACTION}`,
  `${BEFORE}${UPPER}+${LOWER}*${CONTRACTION}`,
  '\\p{N}{1,3}',
  ` ?[^${SPACE}\\p{L}\\p{N}]+[\\r\\n]*`,
  `${SPACE}*[\\r\\n]+`,
  `${SPACE}+(?!\\P{White_Space})`,
  `${SPACE}+`,
].join('|');

/** Ids behind the ranks that are control tokens, whether they have a name or not. */
const RESERVED = 256;

function specialTokens(first: number, config: Json): Json[] {
  const named = (config['added_tokens_decoder'] ?? {}) as Record<
    string,
    { content: string; special?: boolean }
  >;
  const beyond = Object.keys(named)
    .map(Number)
    .filter((id) => id >= first + RESERVED);
  const ids = [...Array.from({ length: RESERVED }, (_, i) => first + i), ...beyond];
  return ids.map((id) => {
    const { content = `<|reserved_token_${id}|>`, special = true } = named[id] ?? {};
    return { id, content, special, single_word: false, lstrip: false, rstrip: false, normalized: false };
  });
}

/** Ranks by token, its bytes spelled as in tokenizer.json. */
function ranks(text: string, file: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [token, rank] = line.split(' ');
    const bytes = Buffer.from(token!, 'base64');
    if (bytes.length === 0 || Number(rank) !== found.size) throw invalid(file, line);
    found.set(Array.from(bytes, (byte) => BYTE_LETTERS[byte]).join(''), found.size);
  }
  if (BYTE_LETTERS.some((letter) => !found.has(letter))) throw invalid(file, 'a byte is missing');
  return found;
}

/** Printable bytes of Latin-1 stand for themselves, the others for letters from U+0100 on: GPT-2's `bytes_to_unicode`. */
const BYTE_LETTERS = byteLetters();

function byteLetters(): string[] {
  let others = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(printable ? byte : others++);
  });
}

function invalid(file: string, line: string): AfterimageError {
  return new AfterimageError(
    'INVALID_CHECKPOINT',
    `"${file}" is not a list of tokens by rank ("${line.slice(0, 60)}"); download the checkpoint again.`,
  );
}
