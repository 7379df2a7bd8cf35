/** Small tools for layers' constructors. */
import { ValueError } from "../errors.ts";
import { checkKeywords } from "../ops/define/schema.ts";
import { pythonRepr } from "../print/index.ts";

export type Pair = readonly [number, number];

/** A size for each of `n` dimensions: a number stands for all. */
export function expandSize<N extends readonly number[]>(value: number | readonly number[], n: number, name: string): N {
  const list = typeof value === "number" ? new Array<number>(n).fill(value) : [...value];
  if (list.length !== n || !list.every((v) => Number.isInteger(v))) {
    throw new ValueError(`${name} must be an int or a tuple of ${n} ints, got ${pythonRepr(value as never)}`);
  }
  return list as unknown as N;
}

/** Refuses options that a layer does not have, naming the near ones. */
export function checkOptions(layer: string, options: object, allowed: readonly string[]): void {
  checkKeywords(`${layer}.__init__`, options, [...allowed, "device", "dtype"]);
}

/** PyTorch's text of a size: `2`, or `(2, 3)`. */
export function sizeText(value: number | readonly number[]): string {
  return typeof value === "number" ? String(value) : pythonRepr([...value] as never);
}
