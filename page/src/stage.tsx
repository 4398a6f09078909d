// The picture that is looked at, or two compared, and the strip of all that were added.
import { useMemo, useRef, useState } from 'preact/hooks';
import { ChangesBox } from './changes-box.js';
import { useAddress } from './address.js';
import type { Lighting } from './answer.js';
import { plural, share, time } from './format.js';
import { lineMarks, Picture, placeMarks, type Layer } from './picture.js';
import { ReadText } from './read-text.js';
import { LAYERS, SHOWN_SIDE } from './result-view.js';
import { Segments } from './segments.js';
import { Slider } from './slider.js';
import type { HttpServer } from './http-server.js';
import { savedBy, type Actions, type Added, type Entry, type State } from './state.js';

export type View = 'look' | 'compare';
const VIEWS: Record<View, string> = { look: 'Look', compare: 'Compare' };
const THUMBNAIL_SIDE = 160;
const ACCEPTED = 'image/png,image/jpeg,image/webp,image/gif,image/avif,image/tiff,image/bmp,application/pdf';

export interface StageProps extends Lighting {
  server: HttpServer;
  state: State;
  actions: Actions;
  view: View;
  onView(view: View): void;
  /** Whose places or changes are shown. */
  entry: Entry | undefined;
}

export function Stage(props: StageProps) {
  const { state, view, onView, actions, server } = props;
  const [layer, setLayer] = useState<Layer>('boxes');
  const [outlined, setOutlined] = useState(true);
  return (
    <section class="card look" aria-labelledby="look-title">
      <h2 id="look-title" class="unseen">
        Picture
      </h2>
      <div class="bar">
        <Segments label="Look at one picture or compare two" value={view} options={VIEWS} onChange={onView} />
        {view === 'look' ? (
          <Segments
            label="What is drawn over the picture"
            value={layer}
            options={LAYERS}
            onChange={setLayer}
          />
        ) : (
          <ChangesBox checked={outlined} onChange={setOutlined} />
        )}
      </div>
      {view === 'look' ? <Looking {...props} layer={layer} /> : <Comparing {...props} outlined={outlined} />}
      {state.problem !== undefined && (
        <p class="problem" role="alert">
          {state.problem}
        </p>
      )}
      <Strip {...{ server, state, actions }} />
    </section>
  );
}

function Looking({ server, state, actions, entry, layer, lit, onLight }: StageProps & { layer: Layer }) {
  const picture = state.pictures.find(({ imageId }) => imageId === state.at);
  const address = useAddress(server, picture?.imageId, SHOWN_SIDE, actions.refused);
  const [line, setLine] = useState<number>();
  const mine = entry?.images[0] === picture?.imageId ? entry?.outcome?.structured.places : undefined;
  const places = useMemo(() => placeMarks(mine ?? []), [mine]);
  const lines = useMemo(() => lineMarks(picture?.lines ?? []), [picture]);
  if (!picture) return <Invitation state={state} onFiles={(files) => void actions.add(files)} />;
  // Places come first, so that their numbers are those of the answer's list.
  const at = lit ?? (line === undefined ? undefined : line + places.length);
  return (
    <>
      <div class="stage">
        <Picture
          {...{ address, layer }}
          name={picture.name}
          size={picture}
          marks={[...places, ...lines]}
          lit={at}
          onLight={(index) => {
            const isPlace = index !== undefined && index < places.length;
            onLight?.(isPlace ? index : undefined);
            setLine(index === undefined || isPlace ? undefined : index - places.length);
          }}
        />
      </div>
      <Pages
        picture={picture}
        busy={state.adding.length > 0}
        onTurn={(page) => void actions.turn(picture, page)}
      />
      <Saved entries={state.entries} imageId={picture.imageId} />
      <ReadText lines={picture.lines} lit={line} onLight={setLine} />
    </>
  );
}

interface PagesProps {
  picture: Added;
  busy: boolean;
  onTurn(page: number): void;
}

/** Of a document: each page is a picture of its own. */
function Pages({ picture: { document }, busy, onTurn }: PagesProps) {
  if (!document) return null;
  const { page, of } = document;
  return (
    <form
      class="pages"
      aria-label="Pages of the document"
      onSubmit={(event) => {
        event.preventDefault();
        onTurn(Number(new FormData(event.currentTarget).get('page')));
      }}
    >
      <button type="button" disabled={busy || page === 1} onClick={() => onTurn(page - 1)}>
        Previous page
      </button>
      <label>
        Page{' '}
        <input key={page} name="page" type="number" min={1} max={of} defaultValue={String(page)} required />
      </label>
      <span class="detail">of {of}</span>
      <button type="button" disabled={busy || page === of} onClick={() => onTurn(page + 1)}>
        Next page
      </button>
    </form>
  );
}

function Saved({ entries, imageId }: { entries: readonly Entry[]; imageId: string }) {
  const { ms, answers } = savedBy(entries, imageId);
  if (answers === 0) return null;
  return (
    <p class="detail">
      Looked at once: <strong>{time(ms)}</strong> saved in {plural(answers, 'answer')}
    </p>
  );
}

function Comparing({ server, state, actions, entry, outlined }: StageProps & { outlined: boolean }) {
  const { pictures } = state;
  const [chosen, setChosen] = useState<{ before?: string; after?: string }>({});
  const before = pictures.find(({ imageId }) => imageId === chosen.before) ?? pictures.at(-2);
  const after = pictures.find(({ imageId }) => imageId === chosen.after) ?? pictures.at(-1);
  const first = useAddress(server, before?.imageId, SHOWN_SIDE, actions.refused);
  const second = useAddress(server, after?.imageId, SHOWN_SIDE, actions.refused);
  if (!before || !after) return <Invitation state={state} onFiles={(files) => void actions.add(files)} two />;
  const compared =
    entry?.images[0] === before.imageId && entry.images[1] === after.imageId ? entry : undefined;
  const { regions = [], alignment = 'scaled', changed_share } = compared?.outcome?.structured ?? {};
  return (
    <>
      <form
        class="pair"
        onSubmit={(event) => {
          event.preventDefault();
          void actions.compare(before.imageId, after.imageId);
        }}
      >
        <Chooser
          label="Before"
          {...{ pictures }}
          value={before}
          onChoose={(id) => setChosen({ ...chosen, before: id })}
        />
        <Chooser
          label="After"
          {...{ pictures }}
          value={after}
          onChoose={(id) => setChosen({ ...chosen, after: id })}
        />
        <button class="primary" disabled={before === after || compared?.stop !== undefined}>
          Compare
        </button>
        {changed_share !== undefined && (
          <span class="detail">
            {changed_share === 0 ? 'Nothing changed' : `${share(changed_share, 1)} changed`}
          </span>
        )}
      </form>
      <div class="stage">
        <Slider
          before={{ address: first, name: before.name, size: before }}
          after={{ address: second, name: after.name, size: after }}
          changes={regions}
          {...{ alignment, outlined }}
        />
      </div>
    </>
  );
}

interface ChooserProps {
  label: string;
  pictures: Added[];
  value: Added;
  onChoose(imageId: string): void;
}

function Chooser({ label, pictures, value, onChoose }: ChooserProps) {
  return (
    <label>
      {label}
      <select value={value.imageId} onChange={({ currentTarget }) => onChoose(currentTarget.value)}>
        {pictures.map(({ imageId, name }) => (
          <option key={imageId} value={imageId}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

interface FilesProps {
  onFiles(files: File[]): void;
}

function Invitation({
  state: { adding },
  onFiles,
  two = false,
}: { state: State; two?: boolean } & FilesProps) {
  return (
    <div class="stage invitation">
      {adding.length > 0 ? (
        <p role="status">Reading {adding[0]}…</p>
      ) : (
        <>
          <p class="large">{two ? 'Add two pictures to compare.' : 'Drop a picture here.'}</p>
          <p class="hint">Or paste one, or choose a file. It stays on this machine.</p>
          <FileButton onFiles={onFiles} />
        </>
      )}
    </div>
  );
}

/** A button, because a file field cannot be dressed. */
function FileButton({ onFiles, small = false }: FilesProps & { small?: boolean }) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <>
      <button
        class={small ? 'add' : 'primary'}
        aria-label={small ? 'Add a picture' : undefined}
        title={small ? 'Add a picture' : undefined}
        onClick={() => field.current?.click()}
      >
        {small ? '+' : 'Choose a picture'}
      </button>
      <input
        ref={field}
        type="file"
        accept={ACCEPTED}
        multiple
        hidden
        onChange={({ currentTarget }) => {
          onFiles([...(currentTarget.files ?? [])]);
          currentTarget.value = '';
        }}
      />
    </>
  );
}

function Strip({ server, state, actions }: Pick<StageProps, 'server' | 'state' | 'actions'>) {
  const { pictures, adding, at } = state;
  if (pictures.length === 0) return null;
  return (
    <nav class="strip" aria-label="Pictures">
      {pictures.map((picture) => (
        <Thumbnail key={picture.imageId} {...{ server, picture, actions }} current={picture.imageId === at} />
      ))}
      <FileButton small onFiles={(files) => void actions.add(files)} />
      {adding.length > 0 && (
        <span class="detail" role="status">
          Reading {plural(adding.length, 'picture')}…
        </span>
      )}
    </nav>
  );
}

interface ThumbnailProps {
  server: HttpServer;
  picture: Added;
  actions: Actions;
  current: boolean;
}

function Thumbnail({ server, picture: { imageId, name }, actions, current }: ThumbnailProps) {
  const address = useAddress(server, imageId, THUMBNAIL_SIDE, actions.refused);
  return (
    <span class="thumbnail">
      <button
        class="plain"
        aria-label={name}
        aria-current={current}
        title={name}
        onClick={() => actions.show(imageId)}
      >
        {address && <img src={address} alt="" />}
      </button>
      <button
        class="remove"
        aria-label={`Put away ${name}`}
        title={`Put away ${name}`}
        onClick={() => actions.remove(imageId)}
      >
        ×
      </button>
    </span>
  );
}
