/** Who is measured. A further library is another implementation of `Contender`, added to the list in `run.ts`. */
import type { Row } from "./row.ts";

/** Part of a result, for comparing: values at equal distances, at most `SAMPLE_LIMIT`; null where not finite. */
export interface ResultSample {
  readonly shape: readonly number[];
  readonly values: readonly (number | null)[];
}

export const SAMPLE_LIMIT = 1024;

/** How far apart the compared values of a result with `count` elements are. */
export function sampleStride(count: number): number {
  return Math.max(1, Math.floor(count / SAMPLE_LIMIT));
}

/** A row made ready by one contender. */
export interface Prepared {
  /** The results of the third call: three, so that a training step shows its effect on the next. */
  results(): Promise<readonly ResultSample[]>;
  /**
   * Runs the step for about `milliseconds` and gives the nanoseconds of one call, measured many times over. Each value is
   * the mean of as many calls as take about two milliseconds.
   */
  measure(milliseconds: number): Promise<readonly number[]>;
}

export interface Contender {
  readonly name: string;
  /** Version and settings, for the head of the table. */
  readonly description: string;
  /** Null: this contender has no program for the row. Throws where the program fails. */
  prepare(row: Row): Promise<Prepared | null>;
  close(): void;
}

/** The shortest stretch that is timed at once, in nanoseconds. */
export const STRETCH = 2e6;
