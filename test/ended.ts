// Waiting for programs that tests have started.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** How a program ends, or has ended: nobody hears an event that is waited for behind it. */
export async function ended(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return [child.exitCode, child.signalCode];
}
