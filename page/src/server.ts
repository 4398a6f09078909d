// What the page asks for, whoever brings it: the door that it came from, or the client that shows it beside a result.
import type { CallProgress } from '../../src/ask/call.js';
import type { Choice, SeenImage } from '../../src/ask/fields.js';
import type { Place } from '../../src/ask/locate.js';
import type { Reuse } from '../../src/ask/looks.js';
import type { Region } from '../../src/image/region.js';
import type { StateChange } from '../../src/reading/state-changes.js';
import type { TextChange } from '../../src/reading/text-changes.js';

export type { CallProgress, Choice, Place, Region, Reuse, SeenImage, StateChange, TextChange };

/** A line of text in pixels of its picture; turned ones have corners. */
export interface Line extends Region {
  text: string;
  corners?: [x: number, y: number][];
  center?: { x: number; y: number };
}

export interface Change {
  before?: Region;
  after?: Region;
}

/** The fields of a tool's result that are shown. */
export interface Structured {
  answer: string;
  session_id?: string;
  images: SeenImage[];
  lines?: Line[];
  matches?: Line[];
  places?: Place[];
  choices?: Choice[];
  structured?: unknown;
  alignment?: 'same' | 'scaled' | 'top-left';
  changed_share?: number;
  regions?: Change[];
  text_changes?: TextChange[];
  state_changes?: StateChange[];
  truncated?: boolean;
  next?: string;
  note?: string;
}

export interface Outcome {
  structured: Structured;
  /** Absent where the other side does not tell. */
  reuse?: Reuse;
}

export type ToolName = 'describe_image' | 'ocr' | 'compare_images' | 'chat_with_images';

export interface CallOptions {
  signal?: AbortSignal;
  onText?(text: string): void;
  onProgress?(progress: CallProgress): void;
}

export interface Server {
  /** @throws Refusal */
  call(tool: ToolName, args: Record<string, unknown>, options?: CallOptions): Promise<Outcome>;
  /** An address for the picture with no side longer than `side`. @throws Refusal */
  picture(imageId: string, side: number): Promise<string>;
}

/** Why something was not done, in a sentence for people. */
export class Refusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}
