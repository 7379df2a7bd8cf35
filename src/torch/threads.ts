/** How many threads share the work of a large operation. */
import { RuntimeError, ValueError } from "../errors.ts";
import { pool } from "../ops/launch.ts";
import { describe } from "../shape.ts";

/**
 * Sets the number of threads that work on one operation, the calling one included. The default is the number of
 * processors that this process may use, or the environment variable OMP_NUM_THREADS, as for PyTorch. Results are the same to the bit
 * whatever the number. Workers start with the first operation that is large enough to gain by them.
 *
 * In a browser the page must be cross-origin isolated; elsewhere the number stays 1.
 *
 * Source: https://docs.pytorch.org/docs/stable/generated/torch.set_num_threads.html
 */
export function set_num_threads(threads: number): void {
  pool.size = positive("set_num_threads", threads);
}

/** The number of threads that work on one operation. */
export function get_num_threads(): number {
  return pool.size;
}

let interopThreads: number | null = null;

/**
 * Accepted and remembered, as PyTorch does once in a process; operations are not run beside each other here, so that it
 * changes nothing.
 */
export function set_num_interop_threads(threads: number): void {
  const wanted = positive("set_num_interop_threads", threads);
  if (interopThreads !== null)
    throw new RuntimeError(
      "Error: cannot set number of interop threads after parallel work has started or set_num_interop_threads called",
    );
  interopThreads = wanted;
}

/** What was set by `set_num_interop_threads`, or 1. */
export function get_num_interop_threads(): number {
  return interopThreads ?? 1;
}

function positive(name: string, threads: unknown): number {
  if (describe(threads) !== "int") throw new RuntimeError(`${name} expects an int, but got ${describe(threads)}`);
  const count = Number(threads);
  if (count <= 0) throw new RuntimeError(`${name} expects a positive integer`);
  if (count >= 2 ** 31) throw new ValueError("Overflow when unpacking long");
  return count;
}
