// SentencePiece's BPE takes a whole text as one word, so that nothing of it is ever remembered. Where no token has a space
// behind another character, no merge crosses the beginning of a word, and words are merged one by one: the same tokens.
import type { Tokenizer as HubTokenizer } from '@huggingface/tokenizers';

const SPACE = '▁';
const WORD_BEGINS = /(?<=[^▁])(?=▁)/u;

interface MergingModel {
  encode(words: string[]): string[];
}

export interface MergedVocabulary {
  type?: string;
  vocab?: unknown;
  continuing_subword_suffix?: string | null;
  end_of_word_suffix?: string | null;
}

/** Makes the tokenizer work word by word where that changes no token. */
export function mergeWordByWord({ model }: HubTokenizer, of: MergedVocabulary = {}): void {
  if (of.type !== 'BPE' || of.continuing_subword_suffix || of.end_of_word_suffix) return;
  const tokens = Object.keys(of.vocab ?? {});
  if (!tokens.some((token) => token.startsWith(SPACE)) || tokens.some((token) => WORD_BEGINS.test(token)))
    return;
  const merging = model as unknown as MergingModel;
  const whole = merging.encode.bind(merging);
  merging.encode = (words) => whole(words.flatMap((word) => word.split(WORD_BEGINS)));
}
