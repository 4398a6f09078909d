import { readdirSync, readFileSync } from 'node:fs';
import sharp from 'sharp';
import { crop } from '../../src/image/region.js';
import { resize } from '../../src/image/resize.js';
import { findTextBoxes } from '../../src/reading/text-boxes.js';
import { regionOf, boundsOf, overlap, type Bounds } from '../../src/reading/quad.js';
import { straighten, toCrop } from '../../src/reading/line-crop.js';
import { decodeSteps } from '../../src/reading/characters.js';
import { toDetectorSides } from '../../src/reading/tiles.js';
import { OnnxNetworks, KeptNetworks } from '../../test/reading/onnx-networks.js';

const [folder, prefix, scaleText = '1', verbose] = process.argv.slice(2);
const networks = new KeptNetworks(await OnnxNetworks.open(2), '/tmp/scratch-reading/kept');
const scale = Number(scaleText);
const names = readdirSync(folder!).filter((n) => n.startsWith(prefix!) && n.endsWith('.png')).map((n) => n.slice(0, -4));
let edits = 0, total = 0, editsNs = 0, totalNs = 0, found = 0, lines = 0;
export function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}
for (const name of names) {
  const { data, info } = await sharp(`${folder}/${name}.png`).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const image = { width: info.width, height: info.height, data: new Uint8Array(data) };
  const truth = JSON.parse(readFileSync(`${folder}/${name}.json`, 'utf8'));
  const k = truth.scale;
  const view = scale === 1 ? image : resize(image, Math.round(image.width * scale), Math.round(image.height * scale), 'bilinear');
  const padded = toDetectorSides(view);
  const map = await networks.detect(padded);
  const boxes = findTextBoxes(map, padded.width, padded.height);
  const read: { text: string; b: Bounds; conf: number }[] = [];
  for (const box of boxes) {
    const quad = box.quad.map(({ x, y }) => ({ x: x / scale, y: y / scale })) as any;
    const line = box.bounds ? crop(image, regionOf(boundsOf(quad), image)) : straighten(image, quad);
    const [steps] = await networks.recognise([toCrop(line)]);
    const chars = decodeSteps(steps!, networks.characters);
    const text = chars.map((c) => c.text).join('').trim();
    const b = boundsOf(quad);
    read.push({ text, b, conf: chars.length ? chars.reduce((s, c) => s + c.probability, 0) / chars.length : 0 });
  }
  for (const t of truth.lines) {
    const [l, tp, r, bt] = t.box.map((v: number) => v * k);
    const tb = { left: l, top: tp, right: r, bottom: bt };
    lines++;
    const best = Math.max(0, ...read.map(({ b }) => overlap(b, tb)));
    if (best >= 0.5) found++;
    const inside = read.filter(({ b }) => { const my = (b.top + b.bottom) / 2; const mx = (b.left + b.right) / 2; return my > tb.top && my < tb.bottom && mx > tb.left - 3 && mx < tb.right + 3; }).sort((a, b) => a.b.left - b.b.left);
    const said = inside.map((x) => x.text).join(' ');
    const want = t.text.normalize('NFKC');
    const e = distance(want, said.normalize('NFKC')), ens = distance(want.replace(/\s/g, ''), said.normalize('NFKC').replace(/\s/g, ''));
    edits += e; total += want.length; editsNs += ens; totalNs += want.replace(/\s/g, '').length;
    if (verbose && (e > 0 || best < 0.5)) console.log(`${name} iou=${best.toFixed(2)} h=${(bt - tp).toFixed(0)} ${inside.length} [${want}] [${said}]`);
  }
}
console.log(`${folder} ${prefix} x${scale}: cer ${(100 * edits / total).toFixed(2)} nospace ${(100 * editsNs / totalNs).toFixed(2)} boxes ${(100 * found / lines).toFixed(2)} of ${lines}`);
