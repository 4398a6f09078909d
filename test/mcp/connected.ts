// One client of a server that runs, for the tests that every server has to pass.
import type { Kind, TestClient } from './clients.js';

export const DEADLINE_MS = 1200;

export interface Connected {
  kind: Kind;
  /** There once the tests run. */
  client: TestClient;
  /** Path of a picture that was drawn. */
  file(name: string): string;
}
