/** Which backward pass is under way: PyTorch's graph task. */
import { ScopedValue } from "../context/scoped-value.ts";

/** One run of the engine. */
export interface GraphTask {
  /** Different for every run. */
  readonly id: number;
  /** Whether only what leads to given inputs runs: `grad()`, or `backward` with `inputs`. */
  readonly restricted: boolean;
  /** Called when the run has ended, in whatever way. */
  readonly atEnd: (() => void)[];
}

const current = new ScopedValue<GraphTask | null>(null);
let count = 0;

/** The innermost run, null outside of any. */
export function currentGraphTask(): GraphTask | null {
  return current.get();
}

/** Runs `body` as a run of the engine, within the one that is under way if there is one. */
export function withGraphTask<R>(restricted: boolean, body: () => R): R {
  const task: GraphTask = { id: count++, restricted, atEnd: [] };
  try {
    return current.runSync(task, body);
  } finally {
    for (const done of task.atEnd) done();
  }
}
