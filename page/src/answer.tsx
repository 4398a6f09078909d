// What a result says, in words: the answer, places, choices, changes.
import type { ComponentChildren } from 'preact';
import { Reused } from './reuse.js';
import type { Choice, Outcome, Place, StateChange, TextChange } from './server.js';

export interface Lighting {
  lit?: number | undefined;
  onLight?(index: number | undefined): void;
}

export interface AnswerProps extends Lighting {
  outcome: Outcome;
  /** Its note was read before. */
  noted?: boolean;
}

export function Answer({ outcome: { structured, reuse }, noted = false, ...lighting }: AnswerProps) {
  const { answer, choices, places, text_changes, state_changes, structured: value, note } = structured;
  return (
    <div class="answer">
      {places && places.length > 0 ? (
        <Places places={places} {...lighting} />
      ) : value === undefined ? (
        answer && <p class="words">{answer}</p>
      ) : (
        <pre>{JSON.stringify(value, null, 2)}</pre>
      )}
      {choices && <Choices choices={choices} />}
      {text_changes && text_changes.length > 0 && <TextChanges changes={text_changes} />}
      {state_changes && state_changes.length > 0 && <StateChanges changes={state_changes} />}
      {note && !noted && <p class="note">{note}</p>}
      <Reused reuse={reuse} />
    </div>
  );
}

function Places({ places, lit, onLight }: { places: readonly Place[] } & Lighting) {
  return (
    <ol class="places">
      {places.map(({ text, element, center, source }, index) => (
        <li
          key={index}
          class={index === lit ? 'lit' : ''}
          onPointerEnter={() => onLight?.(index)}
          onPointerLeave={() => onLight?.(undefined)}
        >
          <span>{text ? `“${text}”` : (element ?? 'Here')}</span>
          <span class="detail">
            {element && text ? `${element}, ` : ''}
            at {Math.round(center.x)}, {Math.round(center.y)} · found by the {source}
          </span>
        </li>
      ))}
    </ol>
  );
}

function Choices({ choices }: { choices: readonly Choice[] }) {
  return (
    <ul class="choices">
      {choices.map(({ text, probability }) => (
        <li key={text}>
          <span>{text}</span>
          <meter min={0} max={1} value={probability} aria-label={`Probability of ${text}`} />
          <span class="detail">{probability.toFixed(2)}</span>
        </li>
      ))}
    </ul>
  );
}

function Changes({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="changes">
      <p aria-hidden="true">{title}</p>
      <ul aria-label={title}>{children}</ul>
    </div>
  );
}

function TextChanges({ changes }: { changes: readonly TextChange[] }) {
  return (
    <Changes title="Changed text">
      {changes.map(({ old, new: now }, index) => (
        <li key={index}>
          {old && <del>{old}</del>}
          {old && now && <span aria-hidden="true"> → </span>}
          {now && <ins>{now}</ins>}
        </li>
      ))}
    </Changes>
  );
}

function StateChanges({ changes }: { changes: readonly StateChange[] }) {
  return (
    <Changes title="Changed states">
      {changes.map(({ role, text, now }, index) => (
        <li key={index}>
          {role} “{text}” is now <strong>{now}</strong>
        </li>
      ))}
    </Changes>
  );
}
