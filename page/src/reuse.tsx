// What of an answer came from the cache, and what that spared.
import { count, plural, time } from './format.js';
import type { Reuse } from './server.js';

const FROM: Record<Reuse['source'], string> = {
  none: '',
  features: 'from features in memory',
  memory: 'from memory',
  disk: 'from disk',
  remote: 'from that server’s cache',
};

export function Reused({ reuse }: { reuse: Reuse | undefined }) {
  const { prompt_tokens: all = 0, prompt_tokens_reused: reused, saved_ms, source = 'none' } = reuse ?? {};
  if (!reuse || all === 0 || reused === undefined) return null;
  return (
    <div class="reused">
      <meter
        min={0}
        max={all}
        value={reused}
        aria-label={`${count(reused)} of ${count(all)} prompt tokens reused`}
      />
      <p>
        {reused > 0 ? (
          <>
            <strong>{count(reused)}</strong> of {plural(all, 'token')} {FROM[source] || 'from memory'}
            {saved_ms === undefined && spent(reuse, ', the rest computed')}
          </>
        ) : (
          <>
            Seen for the first time: {plural(all, 'token')} computed{spent(reuse)}
          </>
        )}
        {saved_ms !== undefined && (
          <>
            {' '}
            · <strong>{time(saved_ms)}</strong> saved
          </>
        )}
      </p>
    </div>
  );
}

function spent({ encode_ms = 0, prefill_ms = 0 }: Reuse, what = ''): string {
  const took = encode_ms + prefill_ms;
  return took > 0 ? `${what} in ${time(took)}` : '';
}
