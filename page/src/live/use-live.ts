// The state of the server as it changes, and the speed that follows from its counters.
import { useEffect, useState } from 'preact/hooks';
import type { Live } from '../../../src/http/page/live.js';
import { SIGNED_OUT, type HttpServer } from '../http-server.js';
import { Refusal } from '../server.js';

/** Between two tries where the server does not answer. */
const AGAIN_MS = 2000;

/** Undefined while there is no connection. */
export function useLive(
  server: HttpServer,
  model: string | undefined,
  onSignedOut: () => void,
): Live | undefined {
  const [live, setLive] = useState<Live>();
  useEffect(() => {
    const over = new AbortController();
    void watch(server, over.signal, setLive, onSignedOut);
    return () => over.abort();
  }, [server, model]);
  return live;
}

async function watch(
  server: HttpServer,
  over: AbortSignal,
  tell: (live: Live | undefined) => void,
  onSignedOut: () => void,
): Promise<void> {
  while (!over.aborted) {
    try {
      for await (const live of server.live(over)) tell(live);
    } catch (error) {
      if (over.aborted) return;
      if (error instanceof Refusal && error.code === SIGNED_OUT) return onSignedOut();
    }
    if (over.aborted) return;
    tell(undefined);
    await new Promise((done) => setTimeout(done, AGAIN_MS));
  }
}
