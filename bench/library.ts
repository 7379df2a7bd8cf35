/** A JavaScript library as a contender: prepares rows and runs them, in whatever process or page it was loaded. */
import { type ResultSample, type Results, STRETCH, sampleStride } from "./contender.ts";
import type { Row } from "./row.ts";

/** A row made ready. */
export interface Step {
  /** One call. Where it gives a promise, the call has ended when that is settled. */
  readonly run: () => unknown;
  /** What is timed, if it is more than the call: where results must be given back, that belongs to it. */
  readonly measured?: () => unknown;
  /** Reads what `run` gave. */
  readonly read: (output: unknown) => readonly Values[] | Promise<readonly Values[]>;
  /** Gives back what belongs to the row. */
  readonly dispose?: () => unknown;
}

export interface Values {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number | bigint>;
}

export interface Library {
  readonly description: string;
  /** Null: there is no program for the row. */
  prepare(row: Row): Promise<Step | null>;
}

export interface LibraryOptions {
  readonly threads: number;
  /** False: without 256-bit vectors, as in an engine that has none. */
  readonly wide: boolean;
}

export type Request =
  | { readonly do: "prepare"; readonly row: string }
  | { readonly do: "results"; readonly call: number }
  | { readonly do: "measure"; readonly milliseconds: number };

/** Answers requests with a library. */
export class Runner {
  private readonly library: Library;
  private readonly rows: readonly Row[];
  private step: Step | null = null;
  private calls = 1;

  constructor(library: Library, rows: readonly Row[]) {
    this.library = library;
    this.rows = rows;
  }

  async answer(request: Request): Promise<unknown> {
    switch (request.do) {
      case "prepare":
        return this.prepare(request.row);
      case "results":
        return this.results(request.call);
      case "measure":
        return this.measure(request.milliseconds);
    }
  }

  /** Whether there is a program for the row. */
  private async prepare(name: string): Promise<boolean> {
    this.step?.dispose?.();
    this.step = null;
    this.calls = 1;
    const row = this.rows.find((r) => r.name === name);
    if (row === undefined) throw new Error(`no row "${name}"`);
    this.step = await this.library.prepare(row);
    return this.step !== null;
  }

  private get prepared(): Step {
    if (this.step === null) throw new Error("no row is prepared");
    return this.step;
  }

  private async results(call: number): Promise<Results> {
    const { run, read } = this.prepared;
    let output: unknown;
    let elapsed = 0;
    for (let i = 0; i < call; i++) {
      const start = performance.now();
      output = run();
      if (output instanceof Promise) output = await output;
      elapsed = (performance.now() - start) * 1e6;
    }
    return { samples: (await read(output)).map(sampleOf), elapsed };
  }

  private async measure(milliseconds: number): Promise<number[]> {
    const { run, measured = run } = this.prepared;
    const times: number[] = [];
    let left = milliseconds * 1e6;
    while (left > 0 || times.length === 0) {
      const elapsed = await time(measured, this.calls);
      left -= elapsed;
      if (elapsed < STRETCH / 2) this.calls *= 2;
      else {
        times.push(elapsed / this.calls);
        if (elapsed > STRETCH * 2 && this.calls > 1) this.calls = Math.ceil(this.calls / 2);
      }
      // Between the stretches, as between the batches of a DataLoader: finalizers of dead tensors run here.
      await macrotask();
    }
    return times;
  }
}

/** Nanoseconds of `calls` calls. Only where a call gives a promise is anything awaited. */
async function time(run: () => unknown, calls: number): Promise<number> {
  const start = performance.now();
  const first = run();
  if (first instanceof Promise) {
    await first;
    for (let i = 1; i < calls; i++) await run();
  } else {
    for (let i = 1; i < calls; i++) run();
  }
  return (performance.now() - start) * 1e6;
}

function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve);
  });
}

function sampleOf({ shape, values }: Values): ResultSample {
  const stride = sampleStride(values.length);
  const sample: (number | null)[] = [];
  for (let i = 0; i < values.length; i += stride) {
    const value = Number(values[i]);
    sample.push(Number.isFinite(value) ? value : null);
  }
  return { shape: [...shape], values: sample };
}
