// How a path is written in messages: one line, not longer than a line needs to be.

const LONGEST = 300;

export function displayName(path: string): string {
  const line = path.replace(/[\0-\x1f\x7f\u2028\u2029]/g, '?');
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST / 2)}…${line.slice(-LONGEST / 2)}`;
}
