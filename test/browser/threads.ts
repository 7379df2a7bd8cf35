/** What a page finds out about threads. The test serves this file without its types. */
import * as torch from "kindling";
import type { ThreadPool } from "../../src/backend/wasm/threads/pool.ts";
import { bitsOf, operations, trainLeNet } from "../threads/computations.ts";
import type { Result } from "./page.ts";

export interface ThreadReport {
  readonly isolated: boolean;
  /** What `get_num_threads` says after three were asked for. */
  readonly threads: number;
  readonly workers: number;
  /** Hashes of all results, with one thread and with three. */
  readonly alone: readonly string[];
  readonly shared: readonly string[];
  /** Chunks of divided launches, and those that the page itself did. */
  readonly chunks: number;
  readonly own: number;
}

const chosen = [
  "maps of a contiguous tensor",
  "sums and means",
  "products of matrices",
  "convolution 3 × 3",
  "pooling",
];

export async function runChecks(): Promise<readonly Result[]> {
  const start = performance.now();
  // The package does not export its pool.
  const launch = "/dist/ops/launch.js";
  const { pool } = (await import(launch)) as { pool: ThreadPool };
  const divided = pool.run.bind(pool);
  let [chunks, own] = [0, 0];
  // The page lets the workers be first, so that they do their part on a machine with one free processor, too.
  pool.run = (bytes, run, scratchBytes, block, begin, end, chunk) => {
    chunks += Math.ceil((end - begin) / Math.max(chunk, Math.ceil((end - begin) / 1023)));
    const late: typeof run = (...range) => {
      const until = performance.now() + 0.3;
      while (performance.now() < until);
      own++;
      run(...range);
    };
    divided(bytes, late, scratchBytes, block, begin, end, chunk);
  };
  const computations = operations(torch as never);
  const compute = (): string[] =>
    [...chosen.map((name) => computations[name]()), trainLeNet(torch as never)].map((results) => bitsOf(...results));
  torch.set_num_threads(1);
  const alone = compute();
  torch.set_num_threads(3);
  compute();
  // A page's workers start when it has come to rest.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  [chunks, own] = [0, 0];
  const shared = compute();
  const { size: threads, workers } = pool;
  const value: ThreadReport = { isolated: crossOriginIsolated, threads, workers, alone, shared, chunks, own };
  return [{ name: "threads", milliseconds: performance.now() - start, error: null, value }];
}
