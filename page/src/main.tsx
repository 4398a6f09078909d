// The page at the door's root.
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Header } from './header.js';
import { HttpServer } from './http-server.js';
import { Engine } from './live/engine.js';
import { useLive } from './live/use-live.js';
import { Questions } from './questions.js';
import { SignIn } from './sign-in.js';
import { Stage, type View } from './stage.js';
import { useTab, type Actions, type Entry } from './state.js';

function Page() {
  const [server, setServer] = useState(HttpServer.remembered());
  if (!server) return <SignIn onSignedIn={setServer} />;
  return <Tab server={server} onSignedOut={() => setServer(undefined)} />;
}

function Tab({ server, onSignedOut }: { server: HttpServer; onSignedOut(): void }) {
  const [model, setModel] = useState<string>();
  const [state, actions] = useTab(server, onSignedOut);
  const live = useLive(server, model, onSignedOut);
  const [view, setView] = useState<View>('look');
  const [opened, setOpened] = useState<number>();
  const [lit, setLit] = useState<number>();
  const dragging = useFiles(actions);
  // Unless an older one was opened, the newest answer's places are shown.
  const newest = state.entries.at(-1);
  useEffect(() => setOpened(undefined), [newest?.id]);
  useEffect(() => {
    if (newest?.kind === 'compare') setView('compare');
  }, [newest?.id]);
  const entry = state.entries.find(({ id }) => id === opened) ?? newest;
  const open = (one: Entry): void => {
    setOpened(one.id);
    setView(one.kind === 'compare' ? 'compare' : 'look');
    if (one.kind !== 'compare') actions.show(one.images[0]!);
  };
  const use = (name: string | undefined): void => {
    server.model = name;
    setModel(name);
    if (name !== undefined) server.load(name).catch(actions.refused);
  };
  return (
    <div class={dragging ? 'page dragging' : 'page'}>
      <Header
        {...{ live, model }}
        onModel={use}
        onSignOut={() =>
          void server
            .signOut()
            .catch(() => {})
            .then(onSignedOut)
        }
      />
      <main>
        <Stage {...{ server, state, actions, view, entry, lit }} onView={setView} onLight={setLit} />
        <Questions {...{ state, actions, lit }} current={entry?.id} onOpen={open} onLight={setLit} />
        <Engine
          {...{ server, live, model }}
          onModel={use}
          onRefused={actions.refused}
          pictures={state.pictures}
        />
      </main>
    </div>
  );
}

/** Pictures that are dropped anywhere, or pasted. @returns whether one is held over the page */
function useFiles(actions: Actions): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const stop = new AbortController();
    const { signal } = stop;
    const add = (list: FileList | undefined): void => {
      const files = [...(list ?? [])];
      if (files.length > 0) void actions.add(files);
    };
    addEventListener(
      'dragover',
      (event) => {
        event.preventDefault();
        setOver(true);
      },
      { signal },
    );
    addEventListener('dragleave', ({ relatedTarget }) => relatedTarget === null && setOver(false), {
      signal,
    });
    addEventListener(
      'drop',
      (event) => {
        event.preventDefault();
        setOver(false);
        add(event.dataTransfer?.files);
      },
      { signal },
    );
    addEventListener('paste', ({ clipboardData }) => add(clipboardData?.files), { signal });
    return () => stop.abort();
  }, []);
  return over;
}

render(<Page />, document.body);
