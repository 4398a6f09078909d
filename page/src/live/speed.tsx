// Tokens a second: of the answers that are being written, over the last minute.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Live } from '../../../src/http/page/live.js';
import { rate } from '../format.js';

/** Ticks of the clock that the line shows. */
const SHOWN = 60;
const TICK_MS = 1000;
const [WIDTH, HEIGHT] = [SHOWN - 1, 20];

interface Seen {
  at: number;
  rows: number;
  ms: number;
}

/** Of one counter pair: rows by the clock (a line), and rows by the time spent on them (the number). */
export function Speed({
  live,
  rows,
  ms,
  title,
}: {
  live: Live | undefined;
  rows: string;
  ms: string;
  title: string;
}) {
  const cache = live?.engine.cache;
  const seen = useRef<Seen>({ at: 0, rows: 0, ms: 0 });
  const latest = useRef<Seen>(seen.current);
  const [line, setLine] = useState<number[]>([]);
  const [now, setNow] = useState<number>();
  latest.current = { at: performance.now(), rows: cache?.[rows] ?? 0, ms: cache?.[ms] ?? 0 };
  useEffect(() => {
    seen.current = latest.current;
    setLine([]);
    setNow(undefined);
    const tick = (): void => {
      const [before, after] = [seen.current, { ...latest.current, at: performance.now() }];
      // Another model counts from its own beginning.
      const done = after.rows >= before.rows ? after.rows - before.rows : 0;
      const spent = after.ms - before.ms;
      setLine((old) => [...old, (1000 * done) / (after.at - before.at)].slice(-SHOWN));
      if (done > 0 && spent > 0) setNow((1000 * done) / spent);
      seen.current = after;
    };
    const timer = setInterval(tick, TICK_MS);
    return () => clearInterval(timer);
  }, [live?.engine.model]);
  if (cache && cache[rows] === undefined) return null;
  return (
    <div class="speed">
      <p>
        <strong>{now === undefined ? '–' : rate(now)}</strong> <span class="detail">{title}</span>
      </p>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <path class="area" d={`${path(line)} L${WIDTH} ${HEIGHT} L${WIDTH - line.length + 1} ${HEIGHT} Z`} />
        <path class="line" d={path(line)} />
      </svg>
    </div>
  );
}

/** The newest at the right edge. */
function path(values: readonly number[]): string {
  if (values.length === 0) return `M${WIDTH} ${HEIGHT}`;
  const top = Math.max(...values, 1);
  const first = WIDTH - values.length + 1;
  const points = values.map(
    (value, index) => `${first + index} ${(HEIGHT - 1 - ((HEIGHT - 2) * value) / top).toFixed(2)}`,
  );
  return `M${points.join(' L')}`;
}
