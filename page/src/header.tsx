// Whose page it is, who answers, and the way out.
import type { Live } from '../../src/http/page/live.js';
import { short } from './format.js';
import { Logo } from './logo.js';

export interface HeaderProps {
  live: Live | undefined;
  /** Who was chosen; undefined: whoever is meant where none is named. */
  model: string | undefined;
  onModel(name: string | undefined): void;
  onSignOut(): void;
}

const STATES: Record<string, string> = {
  absent: 'not loaded yet',
  loading: 'loading…',
  ready: 'ready',
  failed: 'cannot be loaded',
};

export function Header({ live, model, onModel, onSignOut }: HeaderProps) {
  const models = live?.models ?? [];
  const chosen = models.find(({ name }) => name === model) ?? models[0];
  return (
    <header>
      <Logo />
      <h1>Afterimage</h1>
      <span class="grow" />
      {chosen && (
        <div class="model">
          <label class="unseen" for="model">
            Model
          </label>
          <select
            id="model"
            value={chosen.name}
            onChange={({ currentTarget }) => onModel(currentTarget.value)}
          >
            {models.map(({ name }) => (
              <option key={name} value={name}>
                {short(name)}
              </option>
            ))}
          </select>
          <span class={`state ${chosen.state}`} role="status">
            {STATES[chosen.state]}
          </span>
        </div>
      )}
      {!live && (
        <span class="state" role="status">
          Connecting…
        </span>
      )}
      <button class="small" onClick={onSignOut}>
        Sign out
      </button>
    </header>
  );
}
