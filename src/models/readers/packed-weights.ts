// The folded tensors of a program as one safetensors image in memory, and the recipes that read them.
import type { WeightRecipe } from '../../graph/program.js';

export class PackedWeights {
  readonly #tensors: { name: string; shape: number[]; data: Float32Array }[] = [];

  /** @returns the recipe of a tensor stored in this shape. */
  add(name: string, shape: number[], data: Float32Array): WeightRecipe {
    this.#tensors.push({ name, shape, data });
    return { name, shape, tensors: [name] };
  }

  vector(name: string, data: Float32Array): WeightRecipe {
    return this.add(name, [data.length], data);
  }

  /** https://github.com/huggingface/safetensors: header length, JSON header, tensors. */
  bytes(): Uint8Array {
    let end = 0;
    const header = Object.fromEntries(
      this.#tensors.map(({ name, shape, data }) => {
        const begin = end;
        end += data.byteLength;
        return [name, { dtype: 'F32', shape, data_offsets: [begin, end] }];
      }),
    );
    const text = Buffer.from(JSON.stringify(header));
    const padding = -(8 + text.length) & 7;
    const image = new Uint8Array(8 + text.length + padding + end);
    new DataView(image.buffer).setBigUint64(0, BigInt(text.length + padding), true);
    image.fill(0x20, 8 + text.length, 8 + text.length + padding);
    image.set(text, 8);
    let at = 8 + text.length + padding;
    for (const { data } of this.#tensors) {
      image.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
      at += data.byteLength;
    }
    return image;
  }
}
