/** Measures one row: all contenders are checked against each other first and then timed in turn. */
import type { Contender, Prepared, ResultSample } from "./contender.ts";
import type { Row } from "./row.ts";

export interface Timing {
  /** Nanoseconds of one call. */
  readonly best: number;
  readonly median: number;
  readonly samples: number;
}

/** A contender's outcome: its timing, why there is none, or null where it has no program for the row. */
export type Outcome =
  | { readonly timing: Timing; readonly difference: number | null }
  | { readonly error: string }
  | null;

export interface RowResult {
  readonly row: string;
  readonly outcomes: Readonly<Record<string, Outcome>>;
}

export interface Effort {
  /** Before anything counts each contender runs for stretches of so many milliseconds until they get no faster. */
  readonly warmup: number;
  readonly rounds: number;
  /** Milliseconds for each contender in each round. */
  readonly turn: number;
}

export async function measureRow(row: Row, contenders: readonly Contender[], effort: Effort): Promise<RowResult> {
  const outcomes: Record<string, Outcome> = {};
  const entrants: { name: string; prepared: Prepared; difference: number | null; times: number[] }[] = [];
  let reference: readonly ResultSample[] | null = null;
  // The last contender is the reference: PyTorch where it is there.
  for (const contender of [...contenders].reverse()) {
    const { name } = contender;
    try {
      const prepared = await contender.prepare(row);
      outcomes[name] = null;
      if (prepared === null) continue;
      const results = await prepared.results();
      const difference = reference === null ? null : compare(results, reference, row.tolerance ?? 1e-4);
      reference ??= results;
      entrants.unshift({ name, prepared, difference, times: [] });
    } catch (error) {
      outcomes[name] = { error: messageOf(error) };
    }
  }
  for (const { prepared } of entrants) await warmUp(prepared, effort.warmup);
  for (let round = 0; round < effort.rounds; round++) {
    for (const { prepared, times } of entrants) times.push(...(await prepared.measure(effort.turn)));
  }
  for (const { name, difference, times } of entrants) outcomes[name] = { timing: timingOf(times), difference };
  return { row: row.name, outcomes };
}

/** Lets compilers and caches settle. A training step is much code, of which V8 compiles piece after piece. */
async function warmUp(prepared: Prepared, milliseconds: number): Promise<void> {
  let best = Number.POSITIVE_INFINITY;
  for (let stretch = 0, stale = 0; stretch < 12 && stale < 3; stretch++) {
    const { median } = timingOf([...(await prepared.measure(milliseconds))]);
    if (median < best * 0.97) stale = 0;
    else stale++;
    best = Math.min(best, median);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function timingOf(times: number[]): Timing {
  times.sort((a, b) => a - b);
  return { best: times[0], median: times[times.length >> 1], samples: times.length };
}

/** The largest difference relative to the largest magnitude of the same tensor. Throws where it is over the tolerance. */
function compare(got: readonly ResultSample[], wanted: readonly ResultSample[], tolerance: number): number {
  if (got.length !== wanted.length) throw new Error(`${got.length} results instead of ${wanted.length}`);
  let largest = 0;
  got.forEach(({ shape, values }, k) => {
    const other = wanted[k];
    if (shape.join() !== other.shape.join()) {
      throw new Error(`result ${k} has shape [${shape}] instead of [${other.shape}]`);
    }
    let magnitude = 0;
    for (const v of other.values) magnitude = Math.max(magnitude, Math.abs(v ?? 0));
    values.forEach((v, i) => {
      const w = other.values[i];
      if ((v === null) !== (w === null)) throw new Error(`result ${k} is ${v} instead of ${w}`);
      const difference = Math.abs((v ?? 0) - (w ?? 0)) / (magnitude || 1);
      if (difference > tolerance) throw new Error(`result ${k} differs by ${difference.toExponential(1)}: ${v}, ${w}`);
      largest = Math.max(largest, difference);
    });
  });
  return largest;
}
