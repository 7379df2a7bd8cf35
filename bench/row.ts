/** What is measured: a row is the same small program for every contender, on the same data. */
import type { Tensor } from "../src/index.ts";

/** Data that every contender makes for itself, equal to the bit (see `data.ts` and its twin in `pytorch.py`). */
export interface Input {
  readonly shape: readonly number[];
  /** Values are uniform in [-scale, scale). Default 1. */
  readonly scale?: number;
  /** Instead: int64 values in 0 … classes - 1. */
  readonly classes?: number;
}

export type Inputs = Readonly<Record<string, Input>>;

/** What a step gives back to be compared: tensors, or nothing. */
export type Output = Tensor | readonly Tensor[];

export interface Row {
  readonly name: string;
  readonly inputs: Inputs;
  /** Kindling's program: gets the inputs, prepares, and returns the step that is measured. */
  readonly kindling: (inputs: Readonly<Record<string, Tensor>>) => (() => Output) | Promise<() => Output>;
  /**
   * The same in Python, with `torch`, `nn`, `F` and the inputs by name. The last line is an expression, which is the step,
   * or the end of a function `step()`.
   */
  readonly pytorch: string;
  /** Largest difference allowed between results, relative to the largest magnitude. Default 1e-4. */
  readonly tolerance?: number;
}

/** A float32 input. */
export function uniform(shape: readonly number[], scale = 1): Input {
  return { shape, scale };
}

/** An int64 input with values in 0 … classes - 1. */
export function labels(shape: readonly number[], classes: number): Input {
  return { shape, classes };
}
