// The prefix tree as the engine holds it: beginnings that were computed once, and where prompts part.
import type { Live } from '../../../src/http/page/live.js';
import { bytes, plural } from '../format.js';
import type { HttpServer } from '../http-server.js';
import { useAddress } from '../address.js';
import type { Added } from '../state.js';

type Tree = NonNullable<Live['prefixes']>;
type Branch = Tree['branches'][number];

const SIDE = 48;

export interface PrefixesProps {
  server: HttpServer;
  pictures: readonly Added[];
  onRefused(error: Error): void;
}

export function Prefixes({ live, ...rest }: PrefixesProps & { live: Live | undefined }) {
  const tree = live?.prefixes;
  if (live?.engine.state === 'ready' && tree === null)
    return <p class="hint">This engine keeps its prefixes to itself.</p>;
  if (!tree || tree.branches.length === 0)
    return <p class="hint">Questions about one picture share all that comes before them.</p>;
  return (
    <>
      <ul class="tree" tabIndex={0} aria-label="Prompts by what they begin with">
        <Below branches={tree.branches} {...rest} />
      </ul>
      {tree.more > 0 && <p class="hint">{plural(tree.more, 'smaller branch', 'smaller branches')} more.</p>}
    </>
  );
}

function Below({ of, branches, ...rest }: PrefixesProps & { of?: number; branches: readonly Branch[] }) {
  return (
    <>
      {branches.map(
        (branch, index) =>
          branch.parent === of && (
            <li key={index} class={branch.where}>
              <Label branch={branch} {...rest} />
              {branches.some(({ parent }) => parent === index) && (
                <ul>
                  <Below of={index} branches={branches} {...rest} />
                </ul>
              )}
            </li>
          ),
      )}
    </>
  );
}

const WHERE: Record<Branch['where'], string> = { memory: '', both: 'also on disk', disk: 'on disk only' };

function Label({ branch, ...rest }: PrefixesProps & { branch: Branch }) {
  const { tokens, where, others } = branch;
  const size = [plural(tokens, 'token'), bytes(branch.bytes), WHERE[where]].filter(Boolean).join(' · ');
  return (
    <span class="node">
      {branch.pictures.map((picture) => (
        <Picture key={picture.id} {...picture} {...rest} />
      ))}
      {others > 0 && <span class="label">{plural(others, 'other picture')}</span>}
      {branch.pictures.length + others === 0 && <span class="label">Text</span>}
      <span class="detail">{size}</span>
    </span>
  );
}

function Picture({ id, name, server, pictures, onRefused }: PrefixesProps & Branch['pictures'][number]) {
  const address = useAddress(server, id, SIDE, onRefused);
  return (
    <>
      {address ? <img src={address} alt="" /> : <span class="blank" />}
      <span class="label">{pictures.find(({ imageId }) => imageId === id)?.name ?? name ?? 'Picture'}</span>
    </>
  );
}
