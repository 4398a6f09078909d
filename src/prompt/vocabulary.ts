// The bytes of every token of text: what an answer is made of where it must keep to a grammar.

/** The bytes of all tokens one after another, and where those of each end; a token that is no text has none. */
export interface Vocabulary {
  bytes: Uint8Array;
  ends: Int32Array;
}

/** A decoder as tokenizer.json describes it, or one of its steps. */
interface Decoder {
  type?: string;
  decoders?: Decoder[];
}

interface TokenizerJson {
  model?: { vocab?: Record<string, number> };
  decoder?: Decoder | null;
}

/**
 * Added tokens are no text, special or not: they stand for more than their letters.
 * @param added With those that end an answer.
 * @param size How many tokens the model tells apart.
 * @returns undefined for a tokenizer whose tokens are not simply bytes.
 */
export function vocabularyOf(
  tokenizerJson: object,
  added: Iterable<number>,
  size: number,
): Vocabulary | undefined {
  const { model, decoder } = tokenizerJson as TokenizerJson;
  const bytesOf = decoder && reading(steps(decoder));
  if (!bytesOf || !model?.vocab) return undefined;
  const texts: (Uint8Array | undefined)[] = Array.from({ length: size });
  for (const [token, id] of Object.entries(model.vocab)) if (id < size) texts[id] = bytesOf(token);
  for (const id of added) if (id < size) texts[id] = undefined;
  const ends = new Int32Array(size);
  let end = 0;
  texts.forEach((text, id) => (ends[id] = end += text?.length ?? 0));
  const bytes = new Uint8Array(end);
  texts.forEach((text, id) => text && bytes.set(text, ends[id]! - text.length));
  return { bytes, ends };
}

function steps({ type, decoders }: Decoder): string[] {
  return decoders ? decoders.flatMap(steps) : [type ?? ''];
}

function reading(types: readonly string[]): ((token: string) => Uint8Array | undefined) | undefined {
  if (types.includes('ByteLevel')) return byteLevel;
  return types.includes('ByteFallback') ? withFallback : undefined;
}

/** Characters that stand for bytes: those that can be seen are themselves, the others follow U+0100. Radford et al. 2019 */
const BYTES = new Map<string, number>();
for (let byte = 0, next = 256; byte < 256; byte++) {
  const seen = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  BYTES.set(String.fromCodePoint(seen ? byte : next++), byte);
}

function byteLevel(token: string): Uint8Array | undefined {
  const bytes = [...token].map((character) => BYTES.get(character));
  return bytes.every((byte) => byte !== undefined) ? Uint8Array.from(bytes) : undefined;
}

/** Kudo and Richardson 2018: a blank is written as U+2581, a byte that is no character of the vocabulary as its name. */
function withFallback(token: string): Uint8Array {
  const byte = /^<0x([0-9A-F]{2})>$/.exec(token)?.[1];
  return byte
    ? Uint8Array.of(Number.parseInt(byte, 16))
    : new TextEncoder().encode(token.replaceAll('\u2581', ' '));
}
