// A web server of a test's own, on loopback.
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Loopback {
  url: string;
  /** Answers in progress end with it. */
  close(): Promise<void>;
}

/** @param port Any that is free, where absent. */
export async function loopback(answer: RequestListener, port = 0): Promise<Loopback> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
