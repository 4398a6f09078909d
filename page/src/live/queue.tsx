// Who is being answered, and who waits.
import type { Live } from '../../../src/http/page/live.js';
import { plural, share } from '../format.js';
import { STAGES } from '../questions.js';

const WHAT: Record<string, string> = {
  describe_image: 'Describe',
  ocr: 'Read text',
  compare_images: 'Compare',
  chat_with_images: 'Question',
  'chat completion': 'Chat completion',
};

export function Queue({ live }: { live: Live | undefined }) {
  const calls = live?.calls ?? [];
  const waiting = live?.engine.cache['requestsWaiting'] ?? 0;
  return (
    <>
      {calls.length === 0 ? (
        <p class="hint">Nothing is being asked.</p>
      ) : (
        <ul class="queue" aria-label="Calls">
          {calls.map(({ id, what, stage, done, total }) => (
            <li key={id}>
              <span
                class={stage === 'queue' || stage === undefined ? 'dot' : 'dot busy'}
                aria-hidden="true"
              />
              <span>{WHAT[what] ?? what}</span>
              <span class="detail">
                {stage === undefined ? 'Beginning' : STAGES[stage]}
                {stage === 'decode' ? ` · ${plural(done, 'token')}` : total ? ` · ${share(done, total)}` : ''}
              </span>
            </li>
          ))}
        </ul>
      )}
      {waiting > 0 && <p class="hint">{plural(waiting, 'request waits', 'requests wait')} for memory.</p>}
    </>
  );
}
