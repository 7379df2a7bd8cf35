/** Random kernels of all forms, by kind and seed. */
import { randomContraction } from "./random-contraction.ts";
import type { Sample } from "./random-kernel.ts";
import { randomRow, rowKinds } from "./random-row.ts";
import { randomScatter } from "./random-scatter.ts";
import { randomWinograd } from "./random-winograd.ts";

/** By kind, the kernel of a seed. */
export const samples: Readonly<Record<string, (seed: number) => Sample>> = {
  ...Object.fromEntries(rowKinds.map((kind) => [kind, (seed: number) => randomRow(seed, kind)])),
  contraction: randomContraction,
  scatter: randomScatter,
  winograd: randomWinograd,
};
