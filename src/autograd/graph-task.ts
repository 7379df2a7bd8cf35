/** Which backward pass is under way: PyTorch's graph task. */
import { ScopedValue } from "../context/scoped-value.ts";
import type { Node } from "./node.ts";

/** One run of the engine. */
export interface GraphTask {
  /** Different for every run. */
  readonly id: number;
  /** Where only what leads to given inputs runs, as in `grad()` and `backward` with `inputs`: whether a node does. */
  readonly leadsToInputs: ((node: Node) => boolean) | null;
  /** Whether the run executes a node: it reaches it and, in a run for given inputs, it leads to them. */
  readonly executes: (node: Node) => boolean;
  /** Called when the run has ended, in whatever way. */
  readonly atEnd: (() => void)[];
}

const current = new ScopedValue<GraphTask | null>(null);
let count = 0;

/** The innermost run, null outside of any. */
export function currentGraphTask(): GraphTask | null {
  return current.get();
}

/** Whether the run that is under way wants what goes to `node`. Outside of runs everything counts as wanted. */
export function isWanted(node: Node): boolean {
  const leads = current.get()?.leadsToInputs;
  return leads === null || leads === undefined || leads(node);
}

/** Runs `body` as a run of the engine, within the one that is under way if there is one. */
export function withGraphTask<R>(
  leadsToInputs: GraphTask["leadsToInputs"],
  executes: GraphTask["executes"],
  body: () => R,
): R {
  const task: GraphTask = { id: count++, leadsToInputs, executes, atEnd: [] };
  try {
    return current.runSync(task, body);
  } finally {
    for (const done of task.atEnd) done();
  }
}
