// Reads an answer while it is generated: tokens to text, stop strings, endless repetition.
import { LoopGuard } from '../prompt/loop-guard.js';
import { Detokenizer, StopStrings } from '../prompt/stream.js';
import type { Tokenizer } from '../prompt/tokenizer.js';
import type { Answer, AskOptions, TokenCertainty } from './engine.js';
import type { NativeResult } from './native-engine.js';

type Ending = 'end' | 'length' | 'finished' | 'cancelled';

export class AnswerReader {
  readonly #options: Pick<AskOptions, 'onText' | 'stop' | 'continues'>;
  readonly #finish: () => void;

  readonly #detokenizer: Detokenizer;
  readonly #stops: StopStrings;
  readonly #loop = new LoopGuard();
  #text = '';
  readonly #tokenIds: number[] = [];
  /** Length of the text with each token of this call. */
  readonly #ends: number[] = [];
  #ended: 'stop' | 'loop' | undefined;

  /**
   * @param context Prompt tokens before the answer.
   * @param finish Asks the engine to end after the token in progress.
   */
  constructor(
    tokenizer: Tokenizer,
    context: Int32Array,
    options: Pick<AskOptions, 'onText' | 'stop' | 'continues'>,
    finish: () => void,
  ) {
    this.#options = options;
    this.#finish = finish;

    this.#detokenizer = new Detokenizer(tokenizer, [...context.subarray(-8)]);
    this.#stops = new StopStrings(options.stop ?? []);
    for (const id of options.continues?.tokenIds ?? []) this.#read(id);
  }

  /** Tokens that arrive after the answer has ended are dropped. */
  push(id: number): void {
    if (this.#ended) return;
    const text = this.#read(id);
    this.#ends.push(this.#text.length);
    if (text !== '') this.#options.onText?.(text);
    if (this.#ended) this.#finish();
  }

  end(ending: Ending): Pick<Answer, 'text' | 'tokenIds' | 'stopReason'> {
    if (this.#ended !== 'stop') {
      // A character that the cut went through comes whole with the continuation.
      const passed = this.#stops.push(isCut(ending) ? '' : this.#detokenizer.end());
      const rest = passed.text + this.#stops.end();
      this.#text += rest;
      if (rest !== '') this.#options.onText?.(rest);
      if (passed.stopped) this.#ended ??= 'stop';
    }
    const stopReason = this.#ended ?? (ending === 'finished' ? 'stop' : ending);
    return { text: this.#text, tokenIds: this.#tokenIds, stopReason };
  }

  /** How probable the tokens were in the rows that they were sampled from (greedily). */
  certainty({ probabilities }: Pick<NativeResult, 'probabilities'>): TokenCertainty[] {
    return this.#ends.map((end, i) => ({ end, probability: probabilities[i]! }));
  }

  /** @returns What the token adds to the answer. */
  #read(id: number): string {
    this.#tokenIds.push(id);
    const text = this.#detokenizer.push(id);
    const passed = this.#stops.push(text);
    this.#text += passed.text;
    if (passed.stopped) this.#ended = 'stop';
    else if (this.#loop.push(id, text)) this.#ended = 'loop';
    return passed.text;
  }
}

function isCut(ending: Ending): boolean {
  return ending === 'length' || ending === 'cancelled';
}
