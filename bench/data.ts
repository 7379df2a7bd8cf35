/** Input data from a hash of the position: nothing has to be sent between processes. `pytorch.py` has the same formula. */
import type { Input, Inputs } from "./row.ts";

/** 32 random bits for position `i` of input number `seed`. */
function hash(i: number, seed: number): number {
  let x = (Math.imul(i, 0x9e3779b1) + Math.imul(seed + 1, 0x85ebca6b)) >>> 0;
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d) >>> 0;
  x = Math.imul(x ^ (x >>> 12), 0x297a2d39) >>> 0;
  return (x ^ (x >>> 15)) >>> 0;
}

function count(input: Input): number {
  return input.shape.reduce((n, size) => n * size, 1);
}

/** The values of a float input: 24 bits of the hash, so that they are exact in float32 and only scaling rounds. */
export function floats(input: Input, seed: number): Float32Array {
  const scale = Math.fround(input.scale ?? 1);
  const values = new Float32Array(count(input));
  for (let i = 0; i < values.length; i++) values[i] = ((hash(i, seed) >>> 8) / 2 ** 23 - 1) * scale;
  return values;
}

/** The values of an input with classes. */
export function classes(input: Input, seed: number): number[] {
  return Array.from({ length: count(input) }, (_, i) => hash(i, seed) % (input.classes ?? 1));
}

/** The inputs of a row with their seeds: their positions. */
export function numbered(inputs: Inputs): [name: string, input: Input, seed: number][] {
  return Object.entries(inputs).map(([name, input], seed) => [name, input, seed]);
}
