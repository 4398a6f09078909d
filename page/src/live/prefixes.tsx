// What prompts share: the beginning that was computed once, and where they part.
import type { Live } from '../../../src/http/page/live.js';
import { plural } from '../format.js';
import type { HttpServer } from '../http-server.js';
import { useAddress } from '../address.js';
import type { Added } from '../state.js';

type Node = Live['prefixes'];

const SIDE = 48;

export interface PrefixesProps {
  server: HttpServer;
  pictures: readonly Added[];
  onRefused(error: Error): void;
}

export function Prefixes({ live, ...rest }: PrefixesProps & { live: Live | undefined }) {
  if (!live || live.prefixes.children.length === 0)
    return <p class="hint">Questions about one picture share all that comes before them.</p>;
  return (
    <ul class="tree" tabIndex={0} aria-label="Prompts by what they begin with">
      <Branch node={live.prefixes} {...rest} />
    </ul>
  );
}

function Branch({ node, ...rest }: PrefixesProps & { node: Node }) {
  return (
    <li class={node.kind}>
      <Label node={node} {...rest} />
      {node.children.length > 0 && (
        <ul>
          {node.children.map((child) => (
            <Branch key={`${child.kind} ${child.label}`} node={child} {...rest} />
          ))}
        </ul>
      )}
    </li>
  );
}

function Label({
  node: { kind, label, name, sessions },
  server,
  pictures,
  onRefused,
}: PrefixesProps & { node: Node }) {
  const address = useAddress(server, kind === 'image' ? label : undefined, SIDE, onRefused);
  const known = pictures.find(({ imageId }) => imageId === label)?.name ?? name;
  return (
    <span class="node">
      {kind === 'image' && (address ? <img src={address} alt="" /> : <span class="blank" />)}
      <span class="label">{kind === 'image' ? (known ?? 'Picture') : label}</span>
      {sessions > 1 && <span class="detail">{plural(sessions, 'session')}</span>}
    </span>
  );
}
