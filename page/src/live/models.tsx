// Which models there are, which of them answers, and what is being downloaded.
import { useState } from 'preact/hooks';
import type { Live } from '../../../src/http/page/live.js';
import { bytes, share, short, time } from '../format.js';
import type { HttpServer } from '../http-server.js';

export interface ModelsProps {
  server: HttpServer;
  live: Live | undefined;
  model: string | undefined;
  onModel(name: string): void;
  onRefused(error: Error): void;
}

export function Models({ server, live, model, onModel, onRefused }: ModelsProps) {
  const { models = [], downloads } = live ?? {};
  const chosen = model ?? models[0]?.name;
  return (
    <>
      <ul class="models" aria-label="Models">
        {models.map(({ name, state, parameters, precision, bundled }) => (
          <li key={name}>
            <span class={`dot ${state}`} aria-hidden="true" />
            <span class="name" title={name}>
              {short(name)}
            </span>
            <span class="detail">
              {[size(parameters), precision, bundled && 'bundled', STATES[state]].filter(Boolean).join(' · ')}
            </span>
            {name === chosen ? (
              <span class="chosen">answers</span>
            ) : (
              <button class="small" aria-label={`Use ${name}`} onClick={() => onModel(name)}>
                Use
              </button>
            )}
          </li>
        ))}
      </ul>
      {downloads && <Downloads {...{ server, downloads, onRefused }} />}
    </>
  );
}

const STATES: Record<string, string> = { absent: '', loading: 'loading', ready: 'loaded', failed: 'failed' };

function size(parameters: number | undefined): string {
  if (!parameters) return '';
  return parameters < 1e9 ? `${Math.round(parameters / 1e6)} M` : `${(parameters / 1e9).toFixed(1)} B`;
}

type Download = NonNullable<Live['downloads']>[number];

function Downloads({
  server,
  downloads,
  onRefused,
}: Pick<ModelsProps, 'server' | 'onRefused'> & { downloads: Download[] }) {
  const [name, setName] = useState('');
  return (
    <>
      <ul class="downloads" aria-label="Downloads">
        {downloads.map((download) => (
          <Row
            key={download.name}
            download={download}
            onStop={() => void server.stopDownload(download.name).catch(onRefused)}
          />
        ))}
      </ul>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          server.download(name.trim()).then(() => setName(''), onRefused);
        }}
      >
        <label class="unseen" for="download">
          Model to download, as org/name
        </label>
        <input
          id="download"
          value={name}
          placeholder="org/name"
          required
          spellcheck={false}
          onInput={({ currentTarget }) => setName(currentTarget.value)}
        />
        <button class="small">Download</button>
      </form>
    </>
  );
}

function Row({ download, onStop }: { download: Download; onStop(): void }) {
  const { name, state, doneBytes, totalBytes, bytesPerSecond, secondsLeft, message } = download;
  const running = state === 'running';
  return (
    <li>
      <span class="name" title={name}>
        {short(name)}
      </span>
      {running && totalBytes !== undefined && (
        <progress max={totalBytes} value={doneBytes} aria-label={`Download of ${name}`} />
      )}
      <span class="detail">
        {state === 'failed' && message}
        {state === 'done' && 'Downloaded'}
        {state === 'elsewhere' && `${bytes(doneBytes)} of a file, by another program`}
        {running &&
          (totalBytes === undefined
            ? 'Beginning'
            : `${share(doneBytes, totalBytes)} of ${bytes(totalBytes)}`)}
        {running && bytesPerSecond !== undefined && ` · ${bytes(bytesPerSecond)}/s`}
        {running && secondsLeft !== undefined && ` · ${time(1000 * secondsLeft)} left`}
      </span>
      {state !== 'elsewhere' && (
        <button
          class="small"
          aria-label={`${running ? 'Stop' : 'Forget'} the download of ${name}`}
          onClick={onStop}
        >
          {running ? 'Stop' : 'Clear'}
        </button>
      )}
    </li>
  );
}
