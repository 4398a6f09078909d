// What measuring two images establishes, in words, and a model's answer beside it: it may add to that, never deny it.
import type { ImageDiff } from '../image/diff.js';
import type { StateChange } from '../reading/state-changes.js';
import type { TextChange } from '../reading/text-changes.js';

/** Whole sentences that deny every difference; one that denies a certain kind of difference may be right. */
const DENIAL = new RegExp(
  [
    '(there (is|are)|i (can )?(see|find)|i can ?not (see|find)) (no|any|not any) (\\w+ )?(differences?|changes?)',
    'no (\\w+ )?(differences?|changes?)( (is|are|were|was|can be) \\w+)?',
    '(the|both|these) (two |\\d+ )?(images|pictures|screenshots)( \\w+)? (are|look|appear|seem)( to be)?( \\w+)? (identical|the same|equal|unchanged)',
    'nothing( \\w+)? changed',
  ]
    .map((form) => `^${form}( between (them|the( two)? (images|pictures|screenshots)))?$`)
    .join('|'),
  'i',
);

/** Changed texts that are named; a result lists all of them besides. */
const MOST_TEXTS = 20;

/** What changed, as it was measured: sizes, share of the pixels, places, texts as they were read, states that were seen. */
export function measuredChanges(
  { before, after, changedShare, regions }: Measured,
  texts: readonly TextChange[] = [],
  states: readonly StateChange[] = [],
): string {
  const size = ({ width, height }: Measured['before']) => `${width}×${height}`;
  const resized =
    size(before) === size(after) ? '' : `The size changed from ${size(before)} to ${size(after)}. `;
  const places = regions.length === 1 ? 'one place' : `${regions.length} places`;
  const pixels = `${resized}${percent(changedShare)} of the pixels changed, in ${places}.`;
  const more = texts.length > MOST_TEXTS ? [`${texts.length - MOST_TEXTS} more texts changed.`] : [];
  const now = states
    .slice(0, MOST_TEXTS)
    .map((change) => `The ${change.role} "${change.text}" is now ${change.now}.`);
  return [pixels, ...texts.slice(0, MOST_TEXTS).map(changedText), ...more, ...now].join('\n');
}

function changedText({ old, new: now }: TextChange): string {
  if (old === '') return `The text "${now}" is new.`;
  return now === '' ? `The text "${old}" is gone.` : `The text "${old}" became "${now}".`;
}

type Measured = Pick<ImageDiff, 'before' | 'after' | 'changedShare' | 'regions'>;

/** @returns `facts`, then what the model says without the sentences that deny them; `facts` alone where nothing is left. */
export function withFacts(facts: string, said: string): string {
  const lines = said.split('\n').flatMap((line) => {
    const sentences = line.match(/[^.!?]+[.!?]*\s*/g) ?? [];
    const kept = sentences.filter((sentence) => !DENIAL.test(sentence.replace(/[\s.!?]+$/, '').trim()));
    return kept.length < sentences.length && kept.length === 0 ? [] : [kept.join('').trimEnd()];
  });
  return [facts, lines.join('\n').trim()].filter(Boolean).join('\n');
}

function percent(share: number): string {
  const hundredths = 100 * share;
  if (hundredths < 0.01) return 'Less than 0.01 %';
  return `${hundredths < 10 ? hundredths.toFixed(2) : hundredths.toFixed(0)} %`;
}
