/** Which backward pass is under way: PyTorch's graph task. */

/** One run of the engine. */
export interface GraphTask {
  /** Different for every run. */
  readonly id: number;
  /** Whether only what leads to given inputs runs: `grad()`, or `backward` with `inputs`. */
  readonly restricted: boolean;
}

let current: GraphTask | null = null;
let count = 0;

/** The innermost run, null outside of any. */
export function currentGraphTask(): GraphTask | null {
  return current;
}

/** Runs `body` as a run of the engine, within the one that is under way if there is one. */
export function withGraphTask<R>(restricted: boolean, body: () => R): R {
  const outer = current;
  current = { id: count++, restricted };
  try {
    return body();
  } finally {
    current = outer;
  }
}
