// Reads an answer while it is generated: tokens to text, stop strings, endless repetition.
import { LoopGuard } from '../prompt/loop-guard.js';
import { Detokenizer, StopStrings } from '../prompt/stream.js';
import type { Tokenizer } from '../prompt/tokenizer.js';
import type { AskOptions, StopReason } from './engine.js';

type Ending = 'end' | 'length' | 'finished' | 'cancelled' | 'deadline';

export class AnswerReader {
  private readonly detokenizer: Detokenizer;
  private readonly stops: StopStrings;
  private readonly loop = new LoopGuard();
  private text = '';
  private tokens = 0;
  private ended: 'stop' | 'loop' | undefined;

  /**
   * @param context Prompt tokens, whose last ones decide how the first token reads where an answer is continued.
   * @param finish Asks the engine to end after the token in progress.
   */
  constructor(
    tokenizer: Tokenizer,
    context: Int32Array,
    private readonly options: Pick<AskOptions, 'onText' | 'stop'>,
    private readonly finish: () => void,
  ) {
    this.detokenizer = new Detokenizer(tokenizer, [...context.subarray(-8)]);
    this.stops = new StopStrings(options.stop ?? []);
  }

  /** Tokens that arrive after the answer has ended are dropped. */
  push(id: number): void {
    if (this.ended) return;
    this.tokens++;
    const text = this.detokenizer.push(id);
    const passed = this.stops.push(text);
    this.say(passed.text);
    if (passed.stopped) this.ended = 'stop';
    else if (this.loop.push(id, text)) this.ended = 'loop';
    if (this.ended) this.finish();
  }

  end(ending: Ending): { text: string; stopReason: StopReason } {
    if (this.ended !== 'stop') {
      const passed = this.stops.push(this.detokenizer.end());
      this.say(passed.text);
      this.say(this.stops.end());
      if (passed.stopped) this.ended ??= 'stop';
    }
    return { text: this.text, stopReason: this.ended ?? (ending === 'finished' ? 'stop' : ending) };
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
