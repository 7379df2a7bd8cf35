/**
 * Who is measured. Every contender is a process of its own that answers the same requests, one JSON object a line: PyTorch in
 * `pytorch.py`, a JavaScript library in `worker.ts`, Kindling in a browser in `browser/page.ts`.
 */
import type { Row } from "./row.ts";

/** Part of a result, for comparing: values at equal distances; null where not finite. */
export interface ResultSample {
  readonly shape: readonly number[];
  readonly values: readonly (number | null)[];
}

/** How far apart the compared values of a result with `count` elements are: odd, so that they meet all columns of a matrix. */
export function sampleStride(count: number): number {
  return Math.floor(count / 1024) | 1;
}

/** The shortest stretch that is timed at once, in nanoseconds. */
export const STRETCH = 2e6;

export interface Results {
  readonly samples: readonly ResultSample[];
  /** Nanoseconds of the last call. */
  readonly elapsed: number;
}

/** A row made ready by one contender. */
export interface Prepared {
  /** The results of call number `call`, counted from 1. */
  results(call: number): Promise<Results>;
  /**
   * Runs the step for about `milliseconds`, at least once, and gives the nanoseconds of one call, measured many times over.
   * Each value is the mean of as many calls as take about two milliseconds.
   */
  measure(milliseconds: number): Promise<readonly number[]>;
}

export interface Contender {
  readonly name: string;
  /** Version and settings, for the head of the table. */
  readonly description: string;
  /** Null: this contender has no program for the row. Throws where the program fails. */
  prepare(row: Row): Promise<Prepared | null>;
  close(): void | Promise<void>;
}
