// Before and after in one frame, with an edge between them that follows the pointer or the arrow keys.
import { useState } from 'preact/hooks';
import { frame } from './picture.js';
import type { Change, Region } from './server.js';

export interface Side {
  address: string | undefined;
  name: string;
  size: { width: number; height: number };
}

export interface SliderProps {
  before: Side;
  after: Side;
  alignment: 'same' | 'scaled' | 'top-left';
  changes: Change[];
  /** Whether the changes are outlined. */
  outlined: boolean;
}

export function Slider({ before, after, alignment, changes, outlined }: SliderProps) {
  const [at, setAt] = useState(50);
  const { size } = after;
  // Laid over the later picture as the comparison laid them.
  const earlier =
    alignment === 'top-left'
      ? { width: percent(before.size.width, size.width), height: percent(before.size.height, size.height) }
      : { width: '100%', height: '100%' };
  return (
    <figure class="picture slider" style={frame(size)}>
      {before.address && <img src={before.address} alt={`Before: ${before.name}`} style={earlier} />}
      {after.address && (
        <img src={after.address} alt={`After: ${after.name}`} style={{ clipPath: `inset(0 0 0 ${at}%)` }} />
      )}
      <svg viewBox={`0 0 ${size.width} ${size.height}`} aria-hidden="true">
        {outlined &&
          changes.map(({ before: was, after: is }, index) => (
            <g key={index} class="mark change">
              <rect {...around((is ?? was)!, size)} rx={3} />
            </g>
          ))}
      </svg>
      <span class="tag start" aria-hidden="true">
        Before
      </span>
      <span class="tag end" aria-hidden="true">
        After
      </span>
      <div class="edge" style={{ left: `${at}%` }} aria-hidden="true">
        <svg viewBox="0 0 30 30">
          <path d="m12 10-5 5 5 5M18 10l5 5-5 5" />
        </svg>
      </div>
      <input
        type="range"
        min={0}
        max={100}
        value={at}
        aria-label="Edge between before and after"
        aria-valuetext={`${at} % before, ${100 - at} % after`}
        onInput={({ currentTarget }) => setAt(Number(currentTarget.value))}
      />
    </figure>
  );
}

/** With some room, so that what changed can be seen in it. */
function around({ x, y, width, height }: Region, size: Side['size']): Region {
  const room = Math.max(size.width, size.height) / 200;
  return { x: x - room, y: y - room, width: width + 2 * room, height: height + 2 * room };
}

const percent = (part: number, of: number): string => `${(100 * part) / of}%`;
