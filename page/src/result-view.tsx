// One result as a picture: what was looked at, or two pictures compared.
import { useMemo, useState } from 'preact/hooks';
import { ChangesBox } from './changes-box.js';
import { useAddress } from './address.js';
import { lineMarks, Picture, placeMarks, type Layer, type Mark } from './picture.js';
import { ReadText } from './read-text.js';
import { Segments } from './segments.js';
import { Slider } from './slider.js';
import type { Line, SeenImage, Server, Structured } from './server.js';

/** Longest side of a picture that is shown. */
export const SHOWN_SIDE = 1600;

export const LAYERS: Record<Layer, string> = { none: 'Picture', boxes: 'Boxes', text: 'Text' };

export interface ResultViewProps {
  server: Server;
  structured: Structured;
  /** The text of the picture, where it is not in the result. */
  lines: readonly Line[];
  onRefused(error: Error): void;
}

export function ResultView(props: ResultViewProps) {
  const { images, regions } = props.structured;
  const [first, second] = images;
  if (first && second && regions) return <Compared {...props} before={first} after={second} />;
  return first ? <LookedAt {...props} image={images.at(-1)!} /> : null;
}

function LookedAt({ server, structured, lines, image, onRefused }: ResultViewProps & { image: SeenImage }) {
  const { places, matches } = structured;
  const found = places ?? matches;
  const [layer, setLayer] = useState<Layer>(found ? 'none' : 'boxes');
  const [lit, setLit] = useState<number>();
  const address = useAddress(server, image.image_id, SHOWN_SIDE, onRefused);
  const marks = useMemo<Mark[]>(() => [...lineMarks(lines), ...placeMarks(found ?? [])], [lines, found]);
  return (
    <>
      <div class="bar">
        <span class="detail">
          {image.width} × {image.height}
          {image.pages !== undefined && image.pages > 1 && ` · page ${image.page} of ${image.pages}`}
        </span>
        <Segments label="What is drawn over the picture" value={layer} options={LAYERS} onChange={setLayer} />
      </div>
      <div class="stage">
        <Picture
          {...{ address, marks, layer, lit }}
          name="The picture that was looked at"
          size={image}
          onLight={setLit}
        />
      </div>
      <ReadText lines={lines} lit={lit} onLight={setLit} />
    </>
  );
}

function Compared({
  server,
  structured,
  before,
  after,
  onRefused,
}: ResultViewProps & { before: SeenImage; after: SeenImage }) {
  const { regions = [], alignment = 'same' } = structured;
  const [outlined, setOutlined] = useState(true);
  const [first, second] = [
    useAddress(server, before.image_id, SHOWN_SIDE, onRefused),
    useAddress(server, after.image_id, SHOWN_SIDE, onRefused),
  ];
  return (
    <>
      <div class="bar">
        <span class="detail">Drag the edge, or use the arrow keys.</span>
        <ChangesBox checked={outlined} onChange={setOutlined} />
      </div>
      <div class="stage">
        <Slider
          before={{ address: first, name: 'the earlier picture', size: before }}
          after={{ address: second, name: 'the later picture', size: after }}
          {...{ alignment, outlined }}
          changes={regions}
        />
      </div>
    </>
  );
}
