// Questions about the picture on the stage, and their answers.
import { useEffect, useRef, useState } from 'preact/hooks';
import { Answer, type Lighting } from './answer.js';
import { plural, share } from './format.js';
import { Segments } from './segments.js';
import type { Actions, Entry, State, Way } from './state.js';

const WAYS: Record<Way, string> = { ask: 'Ask', find: 'Find' };
const HINTS: Record<Way, string> = {
  ask: 'What do you want to know?',
  find: 'What are you looking for? “the Send button”',
};
const SUGGESTED = ['What does it show?', 'Is anything wrong here?', 'What can be clicked?'];

/** What a stage is, while it lasts. */
export const STAGES: Record<string, string> = {
  build: 'Building the engine',
  queue: 'Waiting for its turn',
  load: 'Loading the model',
  read: 'Reading the text',
  encode: 'Looking at the picture',
  prefill: 'Reading the question',
  decode: 'Answering',
};

export interface QuestionsProps extends Lighting {
  state: State;
  actions: Actions;
  /** Whose places are on the stage. */
  current: number | undefined;
  onOpen(entry: Entry): void;
}

export function Questions({ state, actions, current, onOpen, lit, onLight }: QuestionsProps) {
  const { entries } = state;
  const end = useRef<HTMLLIElement>(null);
  useEffect(
    () => end.current?.scrollIntoView({ block: 'nearest' }),
    [entries.length, entries.at(-1)?.outcome],
  );
  return (
    <section class="card questions" aria-labelledby="questions-title">
      <h2 id="questions-title">Questions</h2>
      <ol class="entries" aria-label="Questions and answers" tabIndex={0}>
        {entries.map((entry, index) => (
          <li key={entry.id} ref={entry === entries.at(-1) ? end : undefined}>
            <Asked
              entry={entry}
              noted={entries.slice(0, index).some((one) => noteOf(one) === noteOf(entry))}
              onOpen={() => onOpen(entry)}
              onGoOn={() => void actions.goOn(entry)}
              {...(entry.id === current && { lit, onLight })}
            />
          </li>
        ))}
      </ol>
      {entries.length === 0 && (
        <Empty ready={state.at !== undefined} onAsk={(text) => void actions.ask('ask', text)} />
      )}
      <Ask ready={state.at !== undefined} onAsk={(way, text) => void actions.ask(way, text)} />
    </section>
  );
}

function Empty({ ready, onAsk }: { ready: boolean; onAsk(question: string): void }) {
  if (!ready) return <p class="hint">Add a picture; then ask about it as often as you like.</p>;
  return (
    <div class="suggestions">
      <p class="hint">The picture is looked at once. Every further question costs only the question.</p>
      {SUGGESTED.map((text) => (
        <button key={text} onClick={() => onAsk(text)}>
          {text}
        </button>
      ))}
    </div>
  );
}

function Ask({ ready, onAsk }: { ready: boolean; onAsk(way: Way, question: string): void }) {
  const [way, setWay] = useState<Way>('ask');
  const [text, setText] = useState('');
  const send = (): void => {
    if (text.trim() === '' || !ready) return;
    onAsk(way, text.trim());
    setText('');
  };
  return (
    <form
      class="ask"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label class="unseen" for="question">
        {HINTS[way]}
      </label>
      <textarea
        id="question"
        rows={2}
        placeholder={HINTS[way]}
        value={text}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          send();
        }}
      />
      <div class="row">
        <Segments label="Ask or find" value={way} options={WAYS} onChange={setWay} />
        <button class="primary" disabled={!ready}>
          {WAYS[way]}
        </button>
      </div>
    </form>
  );
}

const noteOf = ({ outcome }: Entry): string | undefined => outcome?.structured.note;

interface AskedProps extends Lighting {
  entry: Entry;
  noted: boolean;
  onOpen(): void;
  onGoOn(): void;
}

function Asked({ entry, noted, onOpen, onGoOn, ...lighting }: AskedProps) {
  const { question, text, outcome, problem, stop, kind } = entry;
  const cut = kind === 'ask' && outcome?.structured.truncated === true;
  return (
    <article class="entry">
      <h3>
        <button class="plain" onClick={onOpen}>
          {question}
        </button>
      </h3>
      {outcome ? <Answer {...{ outcome, noted }} {...lighting} /> : text && <p class="words">{text}</p>}
      {cut && (
        <button class="small" onClick={onGoOn}>
          Go on
        </button>
      )}
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {stop && <Running entry={entry} onStop={() => stop.abort()} />}
    </article>
  );
}

function Running({ entry: { progress }, onStop }: { entry: Entry; onStop(): void }) {
  const { stage, done = 0, total } = progress ?? {};
  const words = stage === undefined ? 'Sending' : STAGES[stage];
  const far = stage === 'decode' ? plural(done, 'token') : total ? share(done, total) : '';
  return (
    <div class="running">
      <span class="pulse" aria-hidden="true" />
      <span role="status">{words}</span>
      <span class="detail">{far}</span>
      <button class="small" onClick={onStop}>
        Cancel
      </button>
    </div>
  );
}
