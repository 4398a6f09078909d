// The text that was read, as a list: for screen readers, for copying, and to find a line in the picture.
import { plural } from './format.js';
import type { Lighting } from './answer.js';
import type { Line } from './server.js';

export function ReadText({ lines, lit, onLight }: { lines: readonly Line[] } & Lighting) {
  if (lines.length === 0) return <p class="read none">No text was found in the picture.</p>;
  return (
    <details class="read">
      <summary>{plural(lines.length, 'line')} of text</summary>
      <ol>
        {lines.map(({ text }, index) => (
          <li
            key={index}
            class={index === lit ? 'lit' : ''}
            onPointerEnter={() => onLight?.(index)}
            onPointerLeave={() => onLight?.(undefined)}
          >
            {text}
          </li>
        ))}
      </ol>
    </details>
  );
}
