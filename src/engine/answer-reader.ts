// Reads an answer while it is generated: tokens to text, stop strings, endless repetition.
import { LoopGuard } from '../prompt/loop-guard.js';
import { StopStrings } from '../prompt/stream.js';
import { Thoughts } from '../prompt/thoughts.js';
import type { Answer, AskOptions, TokenCertainty } from './engine.js';
import type { NativeResult } from './native-engine.js';

type Ending = 'end' | 'length' | 'finished' | 'cancelled';

/** Tokens to text, elsewhere: a checkpoint's own rules make it. */
export interface TextSource {
  /** What each of the next tokens adds; '' while a character is incomplete. */
  push(ids: readonly number[]): Promise<string[]>;
  /** The rest, incomplete characters as U+FFFD. */
  end(): Promise<string>;
}

type ReaderOptions = Pick<AskOptions, 'onText' | 'onThought' | 'stop' | 'continues' | 'schema' | 'maxTokens'>;

export class AnswerReader {
  readonly #source: TextSource;
  readonly #options: ReaderOptions;
  readonly #finish: () => void;
  readonly #thoughts: Thoughts;
  #thinking = '';
  /** Tokens of this call, by what they are part of. */
  #thought = 0;
  #said = 0;

  readonly #stops: StopStrings;
  readonly #loop = new LoopGuard();
  #text = '';
  readonly #tokenIds: number[] = [];
  /** Length of the text with each token of this call. */
  readonly #ends: number[] = [];
  #ended: 'stop' | 'loop' | 'length' | undefined;
  /** Ran in circles where it had to become whole by its schema; what came then belongs to it. */
  #looped = false;
  /** Tokens whose text is not known yet. */
  #waiting: number[];
  /** How many of them belong to the answer that goes on. */
  #before: number;
  #reading: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;

  /**
   * @param finish Asks the engine to end after the token in progress.
   * @param mark Ends the thoughts that the prompt has begun, where it has.
   */
  constructor(source: TextSource, options: ReaderOptions, finish: () => void, mark?: string) {
    this.#thoughts = new Thoughts(mark);
    this.#source = source;
    this.#options = options;
    this.#finish = finish;

    this.#stops = new StopStrings(options.stop ?? []);
    this.#waiting = [...(options.continues?.tokenIds ?? [])];
    this.#before = this.#waiting.length;
  }

  /** Tokens that arrive after the answer has ended are dropped. */
  push(ids: Iterable<number>): void {
    if (this.#ended || this.#failure) return this.#finish();
    this.#waiting.push(...ids);
    this.#reading ??= this.#read();
  }

  /** How far it has come: the engine may have ended for want of room that this answer still has. */
  async progress(): Promise<{ thinking?: string; thought: number; said: number; tokenIds: number[] }> {
    await (this.#reading ?? this.#read());
    const { thinking, mark } = this.#thoughts;
    const counts = { thought: this.#thought, said: this.#said, tokenIds: this.#tokenIds };
    return { ...(thinking && { thinking: mark! }), ...counts };
  }

  /** Tokens that are ours: they end what the model would have gone on thinking. */
  async close(ids: readonly number[]): Promise<void> {
    this.#waiting.push(...ids);
    this.#before += ids.length;
    await (this.#reading ?? this.#read());
  }

  /** @throws what the source of the text failed with */
  async end(ending: Ending): Promise<Pick<Answer, 'text' | 'thinking' | 'tokenIds' | 'stopReason'>> {
    await (this.#reading ?? this.#read());
    if (this.#failure) throw this.#failure.error;
    if (this.#ended !== 'stop') {
      // A character that the cut went through comes whole with the continuation.
      const cut = isCut(ending) || this.#ended === 'length';
      const left = this.#split(cut ? '' : await this.#source.end());
      const held = cut ? { thought: '', said: '' } : this.#thoughts.end();
      this.#think(held.thought);
      const passed = this.#stops.push(left + held.said);
      const rest = passed.text + this.#stops.end();
      this.#text += rest;
      if (rest !== '') this.#options.onText?.(rest);
      if (passed.stopped) this.#ended ??= 'stop';
    }
    const looped = this.#looped && ending !== 'cancelled' ? 'loop' : undefined;
    const stopReason = this.#ended ?? looped ?? (ending === 'finished' ? 'stop' : ending);
    const thinking = this.#thinking.trim();
    return { text: this.#text, ...(thinking !== '' && { thinking }), tokenIds: this.#tokenIds, stopReason };
  }

  /** How probable the tokens were in the rows that they were sampled from (greedily); to be asked at the end. */
  certainty({ probabilities }: Pick<NativeResult, 'probabilities'>): TokenCertainty[] {
    return this.#ends.map((end, i) => ({ end, probability: probabilities[i]! }));
  }

  /** Everything that waits, and what comes meanwhile. */
  async #read(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && !this.#ended) {
        const ids = this.#waiting.splice(0);
        const texts = await this.#source.push(ids);
        ids.forEach((id, i) => this.#take(id, texts[i]!));
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#reading = undefined;
    if ((this.#ended || this.#failure) && this.#before === 0) this.#finish();
  }

  /** What of the text is the answer's. */
  #split(text: string, known = false): string {
    const { thought, said } = this.#thoughts.push(text);
    this.#think(thought, known);
    return said;
  }

  #think(thought: string, known = false): void {
    this.#thinking += thought;
    if (thought !== '' && !known) this.#options.onThought?.(thought);
  }

  /** Room that thoughts left unused is not the answer's. */
  #count(): void {
    if (this.#thoughts.answering) this.#said++;
    else this.#thought++;
    const { maxTokens } = this.#options;
    if (this.#thought > 0 && maxTokens !== undefined && this.#said >= maxTokens) this.#ended ??= 'length';
  }

  #endLoop(): void {
    if (!this.#options.schema) this.#ended = 'loop';
    else if (!this.#looped) this.#finish();
    this.#looped = true;
  }

  #take(id: number, text: string): void {
    const known = this.#before > 0;
    if (known) this.#before--;
    else if (this.#ended) return;
    this.#tokenIds.push(id);
    const said = this.#split(text, known);
    const passed = this.#stops.push(said);
    this.#text += passed.text;
    if (passed.stopped) this.#ended = 'stop';
    else if (!this.#thoughts.thinking && this.#loop.push(id, text)) this.#endLoop();
    if (known) return;
    this.#ends.push(this.#text.length);
    this.#count();
    if (passed.text !== '') this.#options.onText?.(passed.text);
  }
}

function isCut(ending: Ending): boolean {
  return ending === 'length' || ending === 'cancelled';
}
