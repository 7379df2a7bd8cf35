/** The reference of Winograd kernels: one output element after another, each from its own tile. */
import type { WinogradFilterKernel, WinogradKernel } from "../../ir/kernel.ts";
import {
  type Arithmetic,
  FILTER_BLOCK,
  filterBlocks,
  filterTransform,
  inputTransform,
  outputTransform,
  sandwich,
  type WinogradParam,
  winogradFilterParams,
  winogradParams,
} from "../../ir/winograd.ts";
import type { Frame } from "./evaluate.ts";

/** A number with the sum of the absolute values that went into it, by which its rounding error is bounded. */
interface Bounded {
  readonly value: number;
  readonly size: number;
}

const arithmetic: Arithmetic<Bounded> = {
  add: (a, b) => ({ value: a.value + b.value, size: a.size + b.size }),
  sub: (a, b) => ({ value: a.value - b.value, size: a.size + b.size }),
  mul: (a, factor) => ({ value: a.value * factor, size: a.size * Math.abs(factor) }),
};

type Read = (name: WinogradParam) => number;

export function winogradReader(frame: Frame): Read {
  return (name) => frame.params[winogradParams.indexOf(name)] as number;
}

/** The number of output elements. */
export function winogradElements(frame: Frame): number {
  const read = winogradReader(frame);
  return read("samples") * read("outputs") * read("outRows") * read("outColumns");
}

/** Where output element `flat` is, in elements from the buffer's start, its value, and a bound of its error in float32. */
export function winogradElement(
  { tile, biased }: WinogradKernel,
  frame: Frame,
  flat: number,
): { readonly index: number; readonly value: number; readonly error: number } {
  const read = winogradReader(frame);
  const { view, addresses } = frame;
  const float = (buffer: number, index: number) => view.getFloat32((addresses[buffer] as number) + 4 * index, true);
  const [rows, columns, channels, outputs] = [read("outRows"), read("outColumns"), read("channels"), read("outputs")];
  const column = flat % columns;
  const row = Math.floor(flat / columns) % rows;
  const output = Math.floor(flat / columns / rows) % outputs;
  const sample = Math.floor(flat / columns / rows / outputs);
  const [inRow, inColumn] = [row - (row % tile) - read("top"), column - (column % tile) - read("left")];
  const side = tile + 2;
  const places = Array.from({ length: side }, (_, i) => i);

  /** Of the image, with zeros around it. */
  const input = (channel: number, i: number, j: number): Bounded => {
    const inside = i >= 0 && i < read("rows") && j >= 0 && j < read("columns");
    const at = sample * read("inSample") + channel * read("inChannel") + i * read("inRow") + j;
    const value = inside ? float(0, at) : 0;
    return { value, size: Math.abs(value) };
  };
  const sums = places.map(() => places.map(() => ({ value: 0, size: 0 })));
  for (let channel = 0; channel < channels; channel++) {
    const d = places.map((i) => places.map((j) => input(channel, inRow + i, inColumn + j)));
    const v = sandwich((e) => inputTransform(tile, e, arithmetic), d);
    const at = filterIndex(outputs, channels, output, channel);
    for (const a of places) {
      for (const b of places) {
        const u = float(1, (a * side + b) * read("filterStride") + at);
        const term = v[a][b];
        const sum = sums[a][b];
        sums[a][b] = { value: sum.value + u * term.value, size: sum.size + Math.abs(u) * term.size };
      }
    }
  }
  const result = sandwich((e) => outputTransform(tile, e, arithmetic), sums)[row % tile][column % tile];
  const bias = biased ? float(2, output * read("biasStride")) : 0;
  return {
    index: sample * read("outSample") + output * read("outChannel") + row * read("outRow") + column,
    value: Math.fround(result.value + bias),
    error: (channels + 16) * 2 ** -24 * (result.size + Math.abs(bias)),
  };
}

/** How many blocks of filters there are. */
export function filterUnits(frame: Frame): number {
  const { full, rest } = filterBlocks(frame.params[winogradFilterParams.indexOf("outputs")] as number);
  return full + rest.length;
}

/** The elements that block `unit` of the transformed filters consists of. */
export function filterElements(
  { tile }: WinogradFilterKernel,
  frame: Frame,
  unit: number,
): { readonly index: number; readonly value: number; readonly error: number }[] {
  const read = (name: (typeof winogradFilterParams)[number]) =>
    frame.params[winogradFilterParams.indexOf(name)] as number;
  const [outputs, channels] = [read("outputs"), read("channels")];
  const { full, rest } = filterBlocks(outputs);
  const first = unit <= full ? unit * FILTER_BLOCK : full * FILTER_BLOCK + (rest[0] as number);
  const count = unit < full ? FILTER_BLOCK : (rest[unit - full] as number);
  const places = [0, 1, 2];
  const elements: { index: number; value: number; error: number }[] = [];
  for (let channel = 0; channel < channels; channel++) {
    for (let output = first; output < first + count; output++) {
      const start = output * read("outputStride") + channel * read("channelStride");
      const g = places.map((i) =>
        places.map((j): Bounded => {
          const at = start + i * read("rowStride") + j * read("columnStride");
          const value = frame.view.getFloat32((frame.addresses[0] as number) + 4 * at, true);
          return { value, size: Math.abs(value) };
        }),
      );
      const place = filterIndex(outputs, channels, output, channel);
      const transformed = sandwich((e) => filterTransform(tile, e, arithmetic), g).flat();
      for (const [point, { value, size }] of transformed.entries())
        elements.push({
          index: point * read("filterStride") + place,
          value: Math.fround(value),
          error: 8 * 2 ** -24 * size,
        });
    }
  }
  return elements;
}

/** Where the filter of an output and a channel is in the packed matrix of a point. */
export function filterIndex(outputs: number, channels: number, output: number, channel: number): number {
  const { full, rest } = filterBlocks(outputs);
  let first = 0;
  let size = FILTER_BLOCK;
  if (output < full * FILTER_BLOCK) first = output - (output % FILTER_BLOCK);
  else {
    first = full * FILTER_BLOCK;
    size = rest[0] as number;
    if (output >= first + size) {
      first += size;
      size = rest[1] as number;
    }
  }
  return first * channels + channel * size + (output - first);
}
