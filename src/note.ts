// Small facts that are kept on disk because finding them out takes time. One that is absent or damaged is found anew.
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The file of what `subject` names. */
export function noteFile(folder: string, subject: string): string {
  return join(folder, `${createHash('sha256').update(subject).digest('hex')}.json`);
}

export function recall(file: string): Record<string, unknown> | undefined {
  try {
    const found: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof found === 'object' && found !== null ? (found as Record<string, unknown>) : undefined;
  } catch {
    // Absent or damaged.
    return undefined;
  }
}

/** What cannot be written is found out again next time. */
export function remember(folder: string, file: string, content: Record<string, unknown>): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const draft = `${file}.${randomBytes(6).toString('hex')}`;
    writeFileSync(draft, JSON.stringify(content), { mode: 0o600 });
    renameSync(draft, file);
  } catch {
    return;
  }
}
