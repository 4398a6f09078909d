// The recogniser's steps → characters with their places (CTC: equal neighbours are one, blanks part them).
// Graves et al., "Connectionist Temporal Classification", https://www.cs.toronto.edu/~graves/icml_2006.pdf
import type { RecognisedSteps } from '../engine/text-networks.js';

export interface ReadCharacter {
  text: string;
  probability: number;
  /** First step of the character, and the one after its last. */
  start: number;
  end: number;
}

const BLANK = 0;

/** @param characters By class; [0] is the blank. */
export function decodeSteps(
  { classes, probabilities }: RecognisedSteps,
  characters: readonly string[],
): ReadCharacter[] {
  const read: ReadCharacter[] = [];
  for (let step = 0; step < classes.length;) {
    const start = step;
    const kind = classes[start]!;
    let probability = 0;
    for (; step < classes.length && classes[step] === kind; step++)
      probability = Math.max(probability, probabilities[step]!);
    if (kind !== BLANK) read.push({ text: characters[kind]!, probability, start, end: step });
  }
  return read;
}
