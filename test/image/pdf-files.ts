// PDF files for tests, written here: pages of text, pictures and boxes, with what may be set on a page.

export interface PdfPageSketch {
  /** In points; [left, bottom, right, top]. */
  mediaBox?: [number, number, number, number];
  cropBox?: [number, number, number, number];
  rotate?: number;
  /** Content stream in PDF's operators; /F1 is Helvetica, /Half half transparent, /Im the picture. */
  content: string;
  /** Number of the object that is /Im, where that is no picture. */
  xobject?: number;
  jpeg?: { data: Uint8Array; width: number; height: number };
}

/** @param catalog More entries of the document's root. */
export function pdfFile(pages: PdfPageSketch[], catalog = '', more: string[] = []): Buffer {
  const objects: (string | Buffer)[] = [];
  const add = (body: string | Buffer): number => objects.push(body);
  add(''); // 1: the catalog
  add(''); // 2: the tree of pages
  const font = add('<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>');
  const half = add('<< /Type /ExtGState /ca 0.5 >>');
  more.forEach((object) => add(object));
  const kids = pages.map(({ mediaBox = [0, 0, 300, 200], cropBox, rotate, content, jpeg, xobject }) => {
    const picture = xobject ?? (jpeg && add(pictureObject(jpeg)));
    const stream = add(`<< /Length ${content.length} >>\nstream\n${content}\nendstream`);
    return add(
      `<< /Type /Page /Parent 2 0 R /MediaBox [${mediaBox.join(' ')}] ` +
        (cropBox ? `/CropBox [${cropBox.join(' ')}] ` : '') +
        (rotate ? `/Rotate ${rotate} ` : '') +
        `/Contents ${stream} 0 R /Resources << /Font << /F1 ${font} 0 R >> /ExtGState << /Half ${half} 0 R >> ` +
        (picture ? `/XObject << /Im ${picture} 0 R >> ` : '') +
        '>> >>',
    );
  });
  objects[0] = `<< /Type /Catalog /Pages 2 0 R ${catalog} >>`;
  objects[1] = `<< /Type /Pages /Count ${kids.length} /Kids [${kids.map((kid) => `${kid} 0 R`).join(' ')}] >>`;
  return written(objects);
}

function pictureObject({ data, width, height }: NonNullable<PdfPageSketch['jpeg']>): Buffer {
  const head = `<< /Type /XObject /Subtype /Image /Width ${width} /Height ${height} /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode /Length ${data.length} >>\nstream\n`;
  return Buffer.concat([Buffer.from(head), data, Buffer.from('\nendstream')]);
}

function written(objects: (string | Buffer)[]): Buffer {
  const parts = [Buffer.from('%PDF-1.7\n')];
  let length = parts[0]!.length;
  const places = objects.map((body, at) => {
    const place = length;
    const object = Buffer.concat([
      Buffer.from(`${at + 1} 0 obj\n`),
      Buffer.from(body),
      Buffer.from('\nendobj\n'),
    ]);
    parts.push(object);
    length += object.length;
    return place;
  });
  const rows = places.map((place) => `${String(place).padStart(10, '0')} 00000 n \n`).join('');
  const size = objects.length + 1;
  const table = `xref\n0 ${size}\n0000000000 65535 f \n${rows}`;
  parts.push(Buffer.from(`${table}trailer\n<< /Size ${size} /Root 1 0 R >>\nstartxref\n${length}\n%%EOF\n`));
  return Buffer.concat(parts);
}

/** A line of text in points from the lower left. */
export function text(words: string, x: number, y: number, size = 18): string {
  return `BT /F1 ${size} Tf ${x} ${y} Td (${words}) Tj ET`;
}

/** A filled box; colours from 0 to 1. */
export function box([r, g, b]: number[], x: number, y: number, width: number, height: number): string {
  return `${r} ${g} ${b} rg ${x} ${y} ${width} ${height} re f`;
}
