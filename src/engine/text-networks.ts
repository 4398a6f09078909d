// The two networks that read text, as `src/reading` sees them: pixels in, maps and classes out. No layout, no words.
import type { RgbImage } from '../image/rgb-image.js';

/** What the recogniser says of one crop, one entry per step of eight columns. */
export interface RecognisedSteps {
  /** Best class of each step; 0 is the CTC blank. */
  classes: Int32Array;
  /** Its probability. */
  probabilities: Float32Array;
}

export interface TextNetworks {
  /** Part of every cache key: whatever may change a bit of an output. */
  identity: string;
  /** For listings. */
  name: string;
  /** [0] is the CTC blank, the last one the space. */
  characters: string[];
  /** An image whose sides are multiples of 32 → the probability of text, row-major width * height, 0…1. */
  detect(image: RgbImage, signal?: AbortSignal): Promise<Float32Array>;
  /** Crops 48 rows high, their width a multiple of 8 → steps of each; no crop's result depends on the others. */
  recognise(crops: RgbImage[], signal?: AbortSignal): Promise<RecognisedSteps[]>;
  close(): Promise<void>;
}

export interface Classified {
  /** Logits of each line, one after the other. */
  lines: Float32Array[];
  /** Logits of the kinds; of no lines none. */
  kinds: Float32Array;
}

/** The network that says what each line of text on a screen is. */
export interface ElementNetwork {
  /** Classes in the order of the logits: roles, then states (each apart), then colours. */
  roles: string[];
  states: string[];
  colours: string[];
  /** Of screens, in words. */
  kinds: string[];
  /**
   * Views and numbers of the n lines of one picture, see reading/element-views.ts, in reading order.
   * @param views n · 4 RGB images of 96 × 48
   */
  classify(views: Uint8Array, features: Float32Array, signal?: AbortSignal): Promise<Classified>;
  close(): Promise<void>;
}
