// What a model thinks before it answers, told from the answer by the marks around it.

/** Marks of Qwen3, GLM and others, and of Kimi. */
const MARKS: readonly (readonly [begin: string, end: string])[] = [
  ['<think>', '</think>'],
  ['◁think▷', '◁/think▷'],
];

/** The mark with which thoughts end that a prompt has begun: templates of models that always think do. */
export function thoughtBegun(prompt: string): string | undefined {
  const rest = prompt.trimEnd();
  return MARKS.find(([begin]) => rest.endsWith(begin))?.[1];
}

export interface Split {
  thought: string;
  said: string;
}

/** Splits a text as it comes. Blanks at the seams belong to neither. */
export class Thoughts {
  #state: 'begin' | 'thinking' | 'blank' | 'said';
  #held = '';
  #end: string | undefined;

  /** @param end The mark that ends what the prompt has begun; absent: the text itself may begin a thought. */
  constructor(end?: string) {
    this.#state = end === undefined ? 'begin' : 'thinking';
    this.#end = end;
  }

  get thinking(): boolean {
    return this.#state === 'thinking';
  }

  /** What comes is the answer, or may be. */
  get answering(): boolean {
    return this.#state === 'said' || this.#state === 'begin';
  }

  /** The mark that would end what is thought now. */
  get mark(): string | undefined {
    return this.#end;
  }

  push(text: string): Split {
    this.#held += text;
    const split = { thought: '', said: '' };
    if (this.#state === 'begin') this.#begin();
    if (this.#state === 'thinking') split.thought = this.#think();
    if (this.#state === 'blank') this.#skipBlank();
    if (this.#state === 'said') split.said = this.#take(this.#held.length);
    return split;
  }

  /** What was held back because a mark could have been beginning. */
  end(): Split {
    const rest = this.#state === 'blank' ? '' : this.#take(this.#held.length);
    return this.#state === 'thinking' ? { thought: rest, said: '' } : { thought: '', said: rest };
  }

  #begin(): void {
    const text = this.#held.trimStart();
    const found = MARKS.find(([begin]) => text.startsWith(begin));
    if (found) {
      [this.#state, this.#end] = ['thinking', found[1]];
      this.#held = text.slice(found[0].length);
    } else if (!MARKS.some(([begin]) => begin.startsWith(text))) this.#state = 'said';
  }

  #think(): string {
    const mark = this.#end!;
    const at = this.#held.indexOf(mark);
    if (at < 0) return this.#take(this.#held.length - beginningAtEnd(this.#held, mark));
    const thought = this.#take(at);
    this.#take(mark.length);
    this.#state = 'blank';
    return thought;
  }

  #skipBlank(): void {
    this.#held = this.#held.trimStart();
    if (this.#held !== '') this.#state = 'said';
  }

  #take(length: number): string {
    const text = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return text;
  }
}

/** Characters at the end of `text` that could be the beginning of `mark`. */
function beginningAtEnd(text: string, mark: string): number {
  for (let length = Math.min(text.length, mark.length - 1); length > 0; length--)
    if (text.endsWith(mark.slice(0, length))) return length;
  return 0;
}
