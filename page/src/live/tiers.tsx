// Where what was seen is kept, how much of it there is, and how often it served.
import type { Live } from '../../../src/http/page/live.js';
import { bytes, count, plural, share } from '../format.js';

interface Tier {
  title: string;
  name: string;
  /** Counter of what it may take. */
  budget?: string;
  /** What a hit is. */
  unit: string;
}

const TIERS: Tier[] = [
  { title: 'Keys and values', name: 'kv', budget: 'kvBytes', unit: 'token' },
  { title: 'Image features', name: 'features', budget: 'featureBytes', unit: 'image' },
  { title: 'Snapshots', name: 'snapshots', unit: 'restore' },
  { title: 'Disk', name: 'disk', unit: 'file' },
];

export function Tiers({ live }: { live: Live | undefined }) {
  const { cache = {}, budgets = {} } = live?.engine ?? {};
  if (cache['kvBytes'] === undefined)
    return <p class="hint">{live ? 'Known once a model is loaded here.' : 'Connecting…'}</p>;
  const of = (name: string): number => cache[name] ?? 0;
  // Only models with recurrent state have any.
  const used = TIERS.filter(({ name }) => name !== 'snapshots' || of('snapshotsBytes') > 0);
  return (
    <table class="tiers">
      <thead>
        <tr>
          <th scope="col">Tier</th>
          <th scope="col">Held</th>
          <th scope="col">Served</th>
        </tr>
      </thead>
      <tbody>
        {used.map(({ title, name, budget, unit }) => {
          const [held, hits, misses] = [of(`${name}Bytes`), of(`${name}Hits`), of(`${name}Misses`)];
          const most = budget === undefined ? 0 : (budgets[budget] ?? 0);
          return (
            <tr key={name}>
              <th scope="row">{title}</th>
              <td>
                {bytes(held)}
                {most > 0 && <span class="detail"> of {bytes(most)}</span>}
                {most > 0 && (
                  <meter min={0} max={most} value={held} aria-label={`${title}: share of its budget`} />
                )}
              </td>
              <td title={`${plural(hits, unit)} of ${count(hits + misses)}`}>
                <strong>{share(hits, hits + misses)}</strong>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
