// How much memory this process may take: what the machine has left, and what every control group around it leaves.
// https://docs.kernel.org/admin-guide/cgroup-v2.html#memory, https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
import { existsSync, readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { dirname, join } from 'node:path';

export interface UsableMemory {
  /** The most that there can ever be, in bytes. */
  limit: number;
  /** What of it may still be taken. */
  free: number;
}

/** What is read to find out; tests bring their own. */
export interface MemorySystem {
  /** Holds proc/ and sys/. */
  root: string;
  total: number;
  free: number;
  /** `process.constrainedMemory()`: 0, or more than the machine has, where nothing constrains it. */
  constrained: number;
  /** Resident bytes of this process. */
  resident: number;
}

/** macOS makes room by compressing what others hold; this is as much as it recommends to one GPU program. */
const MAC_SHARE = 0.75;

export function usableMemory(system: MemorySystem = thisSystem()): UsableMemory {
  const { root, total, free, constrained, resident } = system;
  const groups = groupsOf(root);
  // Where its files cannot be read, Node may know the limit all the same.
  if (groups.length === 0 && constrained > 0)
    groups.push({ limit: constrained, free: Math.max(0, constrained - resident) });
  return groups.reduce(
    (least, group) => ({
      limit: Math.min(least.limit, group.limit),
      free: Math.min(least.free, group.free),
    }),
    { limit: total, free },
  );
}

function thisSystem(): MemorySystem {
  const total = totalmem();
  return {
    root: '/',
    total,
    free: process.platform === 'darwin' ? total * MAC_SHARE : freemem(),
    constrained: process.constrainedMemory(),
    resident: process.memoryUsage.rss(),
  };
}

/** Names of the same things in both versions of the interface. */
const VERSIONS = {
  2: {
    mount: '',
    limits: ['memory.max', 'memory.high'],
    usage: 'memory.current',
    file: /^(?:in)?active_file (\d+)$/gm,
  },
  1: {
    mount: 'memory',
    limits: ['memory.limit_in_bytes'],
    usage: 'memory.usage_in_bytes',
    file: /^total_(?:in)?active_file (\d+)$/gm,
  },
};

/** Every group with a limit, from the process's own outwards. */
function groupsOf(root: string): UsableMemory[] {
  const listed = textOf(join(root, 'proc/self/cgroup')) ?? '';
  const one = /^\d+:(?:[^:\n]+,)?memory(?:,[^:\n]+)?:(.+)$/m.exec(listed)?.[1];
  const two = /^0::(.+)$/m.exec(listed)?.[1];
  return [
    ...(one === undefined ? [] : boundsAbove(root, one, VERSIONS[1])),
    ...(two === undefined ? [] : boundsAbove(root, two, VERSIONS[2])),
  ];
}

function boundsAbove(root: string, path: string, version: (typeof VERSIONS)[1 | 2]): UsableMemory[] {
  const mount = join(root, 'sys/fs/cgroup', version.mount);
  const bounds: UsableMemory[] = [];
  // Inside a container the path may be the host's, of which only the mount's root is seen.
  for (let at = path; ; at = dirname(at)) {
    const bound = boundOf(join(mount, at), version);
    if (bound) bounds.push(bound);
    if (at === dirname(at)) return bounds;
  }
}

function boundOf(group: string, { limits, usage, file }: (typeof VERSIONS)[1 | 2]): UsableMemory | undefined {
  const numbers = limits.flatMap((name) => numberOf(join(group, name)) ?? []);
  const used = numberOf(join(group, usage));
  if (numbers.length === 0 || used === undefined) return undefined;
  const limit = Math.min(...numbers);
  // Pages of files count as used, but are given back before anybody is killed.
  const stat = textOf(join(group, 'memory.stat')) ?? '';
  const files = [...stat.matchAll(file)].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
  return { limit, free: Math.max(0, limit - Math.max(0, used - files)) };
}

/** Undefined for "max" and where there is no such file. */
function numberOf(file: string): number | undefined {
  const text = textOf(file)?.trim();
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

function textOf(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
