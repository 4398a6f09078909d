// Runs in a worker thread that can be ended, as the tokenizers of checkpoints do.
import { Tokenizer } from '../../src/prompt/tokenizer.js';

export function ready(): void {}

/** @throws AfterimageError INVALID_CHECKPOINT */
export function reads(folder: string): string {
  const tokenizer = Tokenizer.load(folder);
  return tokenizer.decode(
    tokenizer.encode('Hello  wörld 漢字 🙂\n<image> 1234 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'),
  );
}
