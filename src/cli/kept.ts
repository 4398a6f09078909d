// What is kept on disk as one list: prefixes of the models, readings of the text reader, each with what it is of.
import { readLabel, type KeptLabel } from '../engine/kept-label.js';
import { loadAddon } from '../engine/native.js';
import { keptDescriptions } from '../http/proxy/described.js';
import { keptPictures } from '../image/shelf.js';
import type { KeptFile as KeptByAge } from '../kept-files.js';
import { keptReadings, labelsOf } from '../reading/reading-cache.js';

export interface KeptFile {
  kind: 'prefix' | 'reading' | 'picture' | 'description';
  file: string;
  bytes: number;
  /** Seconds since 1970. */
  used_at: number;
  /** What it was computed with; its weights' digest in files of older versions, which do not say. */
  model: string;
  /** The picture, where it is known. */
  image?: Omit<KeptLabel, 'model'>;
  /** Of a prefix. */
  tokens?: number;
  /** Of a prefix: build, weights, backend and layout that it belongs to. */
  identity?: string;
}

export interface KeptFolders {
  prefixes: string;
  readings: string;
  /** Of the proxy: pictures, and the words that took their places. */
  pictures: string;
}

/** Each kind's most recently used first. */
export async function keptFiles({ prefixes, readings, pictures }: KeptFolders): Promise<KeptFile[]> {
  const computed = loadAddon().listDiskCache(prefixes);
  const read = await keptReadings(readings).list();
  const labels = await labelsOf(keptReadings(readings), read);
  const shelved = await keptPictures(pictures).list();
  const described = await keptDescriptions(pictures).list();
  return [
    ...computed.map(({ file, bytes, usedAt, tokens, identity, label }) => ({
      kind: 'prefix' as const,
      ...{ file, bytes, used_at: usedAt, tokens, identity },
      ...of(readLabel(label), weightsOf(identity)),
    })),
    ...read.map(({ file, bytes, usedAt }, at) => ({
      kind: 'reading' as const,
      ...{ file, bytes, used_at: usedAt },
      ...of(labels[at], 'unknown'),
    })),
    ...shelved.map((kept) => ofProxy('picture', kept)),
    ...described.map((kept) => ofProxy('description', kept)),
  ];
}

function ofProxy(kind: KeptFile['kind'], { file, bytes, usedAt }: KeptByAge): KeptFile {
  return { kind, file, bytes, used_at: usedAt, model: 'proxy' };
}

/** @returns how many files were removed */
export async function clearKept({ prefixes, readings, pictures }: KeptFolders): Promise<number> {
  let removed = loadAddon().clearDiskCache(prefixes);
  for (const kept of [keptReadings(readings), keptPictures(pictures), keptDescriptions(pictures)])
    removed += await kept.clear();
  return removed;
}

function of(label: KeptLabel | undefined, otherwise: string): Pick<KeptFile, 'model' | 'image'> {
  if (label === undefined) return { model: otherwise };
  const { model, ...image } = label;
  return { model, image };
}

/** The beginning of the weights' digest. */
function weightsOf(identity: string): string {
  const digest = /^weights ([0-9a-f]+)/m.exec(identity)?.[1] ?? 'unknown';
  return `weights ${digest.slice(0, 8)}`;
}
