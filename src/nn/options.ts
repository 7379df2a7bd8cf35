/** Small tools for layers: arguments of constructors, sizes, and texts. */
import type { Device } from "../device.ts";
import type { DType } from "../dtype.ts";
import { ValueError } from "../errors.ts";
import { bindNamed } from "../ops/define/schema.ts";
import { pythonFloat, pythonRepr } from "../print/index.ts";

/** One size for all dimensions, or one for each. */
export type Size<N extends readonly number[]> = number | N;
export type Single = readonly [number];
export type Pair = readonly [number, number];
export type Triple = readonly [number, number, number];

/** Where the parameters of a layer live, and their dtype. */
export interface FactoryOptions {
  /** Default: the default float type. */
  readonly dtype?: DType | null;
  readonly device?: string | Device | null;
}

/** The part of a constructor's signature that binds `FactoryOptions`. */
export const FACTORY = "any? device=None, dtype? dtype=None";

/**
 * What a constructor takes: `Required` and `Optional` in order, where an object of keywords may take the place of any
 * optional one and ends the list; or all in one object.
 */
export type Arguments<Keywords, Required extends unknown[], Optional extends unknown[] = []> =
  | [...Required, ...{ [I in keyof Optional]: Optional[I] | Partial<Keywords> }, Partial<Keywords>?]
  | [Keywords];

/** The arguments of a constructor by name. The signature is written as in `ops/define/schema.ts`. */
export function layerArguments<Keywords>(signature: string, args: readonly unknown[]): Required<Keywords> {
  return bindNamed(signature, args) as Required<Keywords>;
}

/** A size for each of `n` dimensions: a number, or a list of one, stands for all. */
export function expandSize<N extends readonly number[]>(value: number | readonly number[], n: number, name: string): N {
  const given = typeof value === "number" ? [value] : [...value];
  const list = given.length === 1 ? new Array<number>(n).fill(given[0]) : given;
  if (list.length !== n || !list.every((v) => Number.isInteger(v))) {
    throw new ValueError(`${name} must be an int or a tuple of ${n} ints, got ${pythonRepr(value)}`);
  }
  return list as unknown as N;
}

/** A factor that PyTorch holds as a float: its default reads `1.0`, another whole number as the int that it is, `2`. */
export function floatText(value: number, fallback: number): string {
  return pythonRepr(value === fallback ? pythonFloat(value) : value);
}
