// Reads an answer while it is generated: tokens to text, stop strings, endless repetition.
import type { AnswerStream } from '../prompt/stream.js';
import type { AskOptions, StopReason } from './engine.js';

type Ending = Exclude<StopReason, 'stop' | 'loop'> | 'finished';

export class AnswerReader {
  private text = '';
  private tokens = 0;
  private ended: 'stop' | 'loop' | undefined;

  /** @param finish Asks the engine to end after the token in progress. */
  constructor(
    private readonly stream: AnswerStream,
    private readonly options: Pick<AskOptions, 'onText'>,
    private readonly finish: () => void,
  ) {}

  /** Tokens that arrive after the answer has ended are dropped. */
  push(id: number): void {
    if (this.ended) return;
    this.tokens++;
    this.say(this.stream.push(id));
    this.ended = this.stream.ended;
    if (this.ended) this.finish();
  }

  end(ending: Ending): { text: string; stopReason: StopReason } {
    if (!this.ended) this.say(this.stream.end());
    const stopReason = this.ended ?? this.stream.ended ?? (ending === 'finished' ? 'stop' : ending);
    return { text: this.text, stopReason };
  }

  /** The tokens that the text is made of. */
  kept(tokens: Int32Array): number[] {
    return [...tokens.subarray(0, this.tokens)];
  }

  private say(text: string): void {
    if (text === '') return;
    this.text += text;
    this.options.onText?.(text);
  }
}
