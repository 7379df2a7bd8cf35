/** Random Winograd convolutions. */
import type { WinogradKernel } from "../../src/ir/kernel.ts";
import { type WinogradParam, winogradParams, winogradParamTypes } from "../../src/ir/winograd.ts";
import { KernelBuilder, type Sample } from "./random-kernel.ts";

/** The kernel of a seed. */
export function randomWinograd(seed: number): Sample {
  const builder = new KernelBuilder(seed);
  const { random } = builder;
  const tile = random.pick([2, 4] as const);
  const biased = random.chance(0.5);
  const wide = random.chance(0.2);
  const [samples, channels, outputs] = [1 + random.below(2), 1 + random.below(3), 1 + random.below(wide ? 3 : 13)];
  const [rows, columns] = [1 + random.below(7), wide ? 30 + random.below(50) : 1 + random.below(9)];
  const [top, left] = [random.below(3), random.below(3)];
  // At least one place of the filter lies in the padded image.
  const outRows = Math.max(1, rows + top + random.below(3) - 2);
  const outColumns = Math.max(1, columns + left + random.below(3) - 2);
  const wholeColumns = Math.ceil(outColumns / tile);
  // Strips have two columns of tiles or more: convolutions make them some thirty wide.
  const tileColumns = Math.max(2, Math.ceil(wholeColumns / (random.chance(0.3) ? 1 + random.below(4) : 1)));
  const strips = Math.ceil(wholeColumns / tileColumns);
  const inRow = columns + random.below(3);
  const inChannel = inRow * rows + random.below(3);
  const inSample = inChannel * channels + random.below(3);
  const outRow = outColumns + random.below(3);
  const outChannel = outRow * outRows + random.below(3);
  const outSample = outChannel * outputs + random.below(3);
  const filterStride = channels * outputs + random.below(5);
  const values: Record<WinogradParam, number> = {
    ...{ samples, channels, outputs, rows, columns, outRows, outColumns, inRow, inChannel, inSample },
    ...{ outRow, outChannel, outSample, top, left, strips, filterStride, biasStride: random.below(3) },
    ...{ tileRows: Math.ceil(outRows / tile), tileColumns },
    ...{ unitTiles: 16 * (1 + random.below(4)), unitBlocks: 1 + random.below(3) },
  };
  const buffer = (length: number, access: "read" | "write"): void => {
    builder.buffers.push({ dtype: "float32", access });
    const number = (): number => (random.below(4001) - 2000) / 500;
    builder.data.push({ dtype: "float32", values: Array.from({ length }, number) });
  };
  buffer(inSample * samples, "read");
  buffer((tile + 2) ** 2 * filterStride, "read");
  if (biased) buffer(2 * outputs, "read");
  buffer(outSample * samples, "write");
  builder.params.push(...winogradParams.map((name) => values[name]));
  const kernel: WinogradKernel = {
    form: "winograd",
    name: `random${seed}`,
    buffers: builder.buffers,
    params: winogradParamTypes,
    tile,
    biased,
  };
  return builder.sample(kernel, `winograd ${seed}: F(${tile} × ${tile}), ${JSON.stringify(values)}`);
}
