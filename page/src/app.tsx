// The page as an MCP App: one result of one call, shown by the client that made it.
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { McpUiHostContext } from '@modelcontextprotocol/ext-apps';
import { Answer } from './answer.js';
import { HostServer } from './host-server.js';
import { ResultView } from './result-view.js';
import type { Line, Outcome, Server } from './server.js';

function App() {
  const [server, setServer] = useState<Server>();
  const [outcome, setOutcome] = useState<Outcome>();
  const [question, setQuestion] = useState('');
  const [problem, setProblem] = useState<string>();
  const lines = useLines(server, outcome);
  useEffect(() => {
    const refused = (error: Error): void => setProblem(error.message);
    HostServer.connect({
      input: (args) => setQuestion(asked(args)),
      result: (result) => {
        setProblem(undefined);
        setOutcome(result);
      },
      failed: setProblem,
      context: dress,
    }).then(setServer, refused);
  }, []);
  if (problem !== undefined && !outcome) return <p class="problem">{problem}</p>;
  if (!server || !outcome)
    return (
      <p class="pending" role="status">
        Looking…
      </p>
    );
  return (
    <main class="result">
      <ResultView
        {...{ server, lines }}
        structured={outcome.structured}
        onRefused={({ message }) => setProblem(message)}
      />
      {problem !== undefined && <p class="problem">{problem}</p>}
      <h1 class="asked">{question || (outcome.structured.regions ? 'What changed' : 'What it shows')}</h1>
      <Answer outcome={outcome} />
    </main>
  );
}

/** What a result does not bring itself is read: the server has it from before. */
function useLines(server: Server | undefined, outcome: Outcome | undefined): Line[] {
  const [read, setRead] = useState<Line[]>([]);
  useEffect(() => {
    const image = outcome?.structured.images.at(-1);
    setRead(outcome?.structured.lines ?? []);
    if (!server || !image || outcome?.structured.lines || outcome?.structured.regions) return;
    server.call('ocr', { image: image.image_id, format: 'lines' }).then(
      ({ structured }) => setRead(structured.lines ?? []),
      // Not every client lets its apps call tools; the picture is shown without.
      () => {},
    );
  }, [server, outcome]);
  return read;
}

function asked({ question, message, locate, find }: Record<string, unknown>): string {
  return [question, message, locate, find].filter((text) => typeof text === 'string').join(' ');
}

/** As the host is dressed. */
function dress({ theme, styles }: McpUiHostContext): void {
  if (theme) document.documentElement.dataset['theme'] = theme;
  const font = styles?.variables?.['--font-sans'];
  if (font) document.documentElement.style.setProperty('--sans', font);
}

document.documentElement.classList.add('app');
render(<App />, document.body);
