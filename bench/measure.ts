/** Measures one row: all contenders are checked against each other first and then timed in turn. */
import { setTimeout } from "node:timers/promises";
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

/** How much is spent on a row, in milliseconds. Of a call that takes longer than a limit there is still one. */
export interface Effort {
  /** Before anything counts each contender runs for stretches of this length until they get no faster … */
  readonly warmup: number;
  /** … or have taken this together. */
  readonly warmupLimit: number;
  /** Each contender's time in each round. */
  readonly turn: number;
  readonly rounds: number;
  /** When a round has brought a contender over this, it was the last. */
  readonly limit: number;
  /** Between turns. Threads of PyTorch's spin for some milliseconds after their work. */
  readonly pause: number;
}

interface Entrant {
  readonly name: string;
  readonly prepared: Prepared;
  readonly difference: number | null;
  /** Nanoseconds of the call whose results were compared. */
  readonly elapsed: number;
  readonly times: number[];
}

/** The first contender is the reference that the others' results are compared with. */
export async function measureRow(row: Row, contenders: readonly Contender[], effort: Effort): Promise<RowResult> {
  const outcomes: Record<string, Outcome> = {};
  const entrants: Entrant[] = [];
  let reference: readonly ResultSample[] | null = null;
  for (const contender of contenders) {
    const { name } = contender;
    try {
      const prepared = await contender.prepare(row);
      outcomes[name] = null;
      if (prepared === null) continue;
      const { samples, elapsed } = await prepared.results(row.comparedCall ?? 1);
      const difference = reference === null ? null : compare(samples, reference, row.tolerance ?? 1e-4);
      reference ??= samples;
      entrants.push({ name, prepared, difference, elapsed, times: [] });
    } catch (error) {
      outcomes[name] = { error: messageOf(error) };
    }
  }
  for (const entrant of entrants) await warmUp(entrant, effort);
  let longest = 0;
  for (let round = 0; round < effort.rounds && longest < effort.limit; round++) {
    for (const { prepared, times } of entrants) {
      await setTimeout(effort.pause);
      const start = performance.now();
      times.push(...(await prepared.measure(effort.turn)));
      longest = Math.max(longest, (round + 1) * (performance.now() - start));
    }
  }
  for (const { name, difference, times } of entrants) outcomes[name] = { timing: timingOf(times), difference };
  return { row: row.name, outcomes };
}

/** Lets compilers and caches settle. A training step is much code, of which V8 compiles piece after piece. */
async function warmUp({ prepared, elapsed }: Entrant, { warmup, warmupLimit }: Effort): Promise<void> {
  let left = warmupLimit - elapsed / 1e6;
  let best = Number.POSITIVE_INFINITY;
  for (let stale = 0; left > 0 && stale < 3; ) {
    const start = performance.now();
    const { median } = timingOf([...(await prepared.measure(warmup))]);
    left -= performance.now() - start;
    if (median < best * 0.97) stale = 0;
    else stale++;
    best = Math.min(best, median);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
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
