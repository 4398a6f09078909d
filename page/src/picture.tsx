// A picture with what was found in it: boxes, or the text that was read drawn where it stands. What is drawn is for eyes;
// the same text stands in a list for everybody else.
import type { Line, Place, Region } from './server.js';

export type Layer = 'none' | 'boxes' | 'text';

/** Something at a place of a picture, in its pixels. */
export interface Mark {
  kind: 'line' | 'place' | 'change';
  /** Absent where only a point is known. */
  box?: Region;
  center?: { x: number; y: number };
  corners?: [x: number, y: number][];
  text?: string;
  number?: number;
}

export interface PictureProps {
  address: string | undefined;
  name: string;
  size: { width: number; height: number };
  marks: Mark[];
  layer: Layer;
  /** Index of the mark that is pointed at. */
  lit?: number | undefined;
  onLight?(index: number | undefined): void;
}

export function Picture({ address, name, size, marks, layer, lit, onLight }: PictureProps) {
  const shown = marks.map((mark, index) => ({ mark, index })).filter(({ mark }) => isShown(mark, layer));
  return (
    <figure class="picture" style={frame(size)}>
      {address === undefined ? <div class="waiting" /> : <img src={address} alt={name} />}
      <svg viewBox={`0 0 ${size.width} ${size.height}`} aria-hidden="true">
        {shown.map(({ mark, index }) => (
          <g
            key={index}
            class={`mark ${mark.kind} ${index === lit ? 'lit' : ''}`}
            onPointerEnter={() => onLight?.(index)}
            onPointerLeave={() => onLight?.(undefined)}
          >
            <Outline mark={mark} size={size} />
            {layer === 'text' && mark.kind === 'line' && <Written mark={mark} />}
          </g>
        ))}
      </svg>
    </figure>
  );
}

export function frame({ width, height }: PictureProps['size']): Record<string, string> {
  return { '--ratio': String(width / height), '--width': `${width}px`, aspectRatio: `${width} / ${height}` };
}

function isShown({ kind }: Mark, layer: Layer): boolean {
  return kind !== 'line' || layer !== 'none';
}

function Outline({
  mark: { box, corners, center, number },
  size,
}: {
  mark: Mark;
  size: PictureProps['size'];
}) {
  const radius = Math.max(size.width, size.height) / 80;
  // Beside the box, so that what is in it can be read.
  const point = box ? { x: Math.max(radius, box.x - radius * 1.3), y: box.y + box.height / 2 } : center;
  return (
    <>
      {corners ? (
        <polygon points={corners.map((corner) => corner.join()).join(' ')} />
      ) : (
        box && <rect {...box} rx={Math.min(4, box.height / 5)} />
      )}
      {number !== undefined && point && (
        <g class="number">
          <circle cx={point.x} cy={point.y} r={radius} />
          <text
            x={point.x}
            y={point.y}
            font-size={radius * 1.3}
            text-anchor="middle"
            dominant-baseline="central"
          >
            {number}
          </text>
        </g>
      )}
    </>
  );
}

/** As wide as it stands there, turned as it is. */
function Written({ mark: { box, corners, text = '' } }: { mark: Mark }) {
  const { x, y, width, height, angle } = placed(corners, box!);
  return (
    <text
      x={0}
      y={height * 0.78}
      font-size={height * 0.82}
      textLength={width}
      lengthAdjust="spacingAndGlyphs"
      transform={`translate(${x} ${y}) rotate(${angle})`}
    >
      {text}
    </text>
  );
}

function placed(corners: Mark['corners'], box: Region): Region & { angle: number } {
  if (!corners || corners.length < 4) return { ...box, angle: 0 };
  const [[x, y], right, , below] = corners as [[number, number], [number, number], unknown, [number, number]];
  const width = Math.hypot(right[0] - x, right[1] - y);
  const height = Math.hypot(below[0] - x, below[1] - y);
  return { x, y, width, height, angle: (Math.atan2(right[1] - y, right[0] - x) * 180) / Math.PI };
}

export function lineMarks(lines: readonly Line[]): Mark[] {
  return lines.map(({ text, corners, x, y, width, height }) => ({
    kind: 'line',
    text,
    box: { x, y, width, height },
    ...(corners && { corners }),
  }));
}

/** Numbered from 1. */
export function placeMarks(places: readonly (Place | Line)[]): Mark[] {
  return places.map(({ text, center, x, y, width, height }, index) => ({
    kind: 'place',
    number: index + 1,
    ...(text !== undefined && { text }),
    ...(center && { center }),
    ...(x !== undefined && { box: { x, y: y!, width: width!, height: height! } }),
  }));
}
