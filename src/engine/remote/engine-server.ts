// Lends an engine to the programs of one user: every connection has sessions of its own, and all of them share one
// model and one cache.
import { createServer, type Server } from 'node:net';
import { AfterimageError } from '../../errors.js';
import type { Engine } from '../engine.js';
import { Guest, GUEST_LIMITS, type GuestLimits, type Service } from './guest.js';
import { prepareSocket } from './socket-file.js';

/** Connections at once; more are closed as they come. */
const MOST_GUESTS = 512;

export interface EngineServer {
  /** Ends every connection and what was asked over it, and removes the socket. The engine stays open. */
  close(): Promise<void>;
}

/**
 * @param path Of the socket; only its owner may connect.
 * @param onError Hears what goes wrong between calls.
 * @param services What is lent beside the engine.
 * @throws AfterimageError IO_FAILED when the socket cannot be had.
 */
export async function serveEngine(
  engine: Engine,
  path: string,
  onError: (error: Error) => void = () => {},
  limits: Partial<GuestLimits> = {},
  services: readonly Service[] = [],
): Promise<EngineServer> {
  await prepareSocket(path);
  const clients = new Set<Guest>();
  const listener = createServer((socket) => {
    const client = new Guest(engine, socket, { ...GUEST_LIMITS, ...limits }, onError, services);
    clients.add(client);
    socket.once('close', () => clients.delete(client));
  });
  listener.maxConnections = MOST_GUESTS;
  await listen(listener, path);
  listener.on('error', onError);
  return {
    close: async () => {
      for (const client of clients) client.end();
      await new Promise((closed) => listener.close(closed));
    },
  };
}

function listen(listener: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => {
      const message = `Cannot listen on ${path}; choose another place with --socket FILE.`;
      reject(new AfterimageError('IO_FAILED', message, { cause }));
    };
    listener.once('error', failed);
    // The socket is made here and now, never open to others.
    const mask = process.umask(0o177);
    try {
      listener.listen(path, () => {
        listener.off('error', failed);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
}
