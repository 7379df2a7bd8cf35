/**
 * The engine: runs the recorded graph backwards. Nodes run when all gradients of their outputs have arrived, the one
 * recorded last first, as in PyTorch; there is no recursion, so a graph may be as deep as memory allows.
 */
import { scalarTypeName } from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { describe, sameShape, shapeText } from "../shape.ts";
import { lastStorageSerial } from "../storage/storage.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { AccumulateGrad } from "./accumulate.ts";
import { checkResults, explainingErrors, is_anomaly_enabled } from "./anomaly.ts";
import { withGraphTask } from "./graph-task.ts";
import { earlyFrees, withGradMode } from "./mode.ts";
import { GradientEdge, type Gradients, type Node } from "./node.ts";
import { OpNode } from "./op-node.ts";
import { type Edge, gradientEdge } from "./record.ts";

/** A node's gradients as they arrive. */
class Task {
  readonly node: Node;
  pending = 0;
  readonly grads: (Tensor | null)[];
  /** Whether the engine alone refers to the gradient's storage. */
  readonly owned: boolean[];
  needed = true;
  onlyRoot = false;
  /** For each result of the node, whether no other tensor shares its storage; null where that is not known. */
  fresh: boolean[] | null = null;
  captures: { output: number; position: number }[] | null = null;
  constructor(node: Node) {
    this.node = node;
    this.grads = new Array(node.outputCount).fill(null);
    this.owned = new Array(node.outputCount).fill(false);
  }
}

/** What gradients come from or go to. */
export type GradientTarget = Tensor | GradientEdge;

/** Its place in the graph; null where it needs no gradient. */
function edgeOf(target: GradientTarget): Edge | null {
  if (target instanceof GradientEdge) return { node: target.node, output: target.output_nr };
  return gradientEdge(target);
}

export interface BackwardOptions {
  retainGraph: boolean;
  createGraph: boolean;
  /** Return gradients of these tensors; with `accumulate`, add them to their `.grad` instead and to no other's. */
  inputs?: readonly GradientTarget[];
  accumulate: boolean;
}

/** Runs backward from `roots` with their gradients. Returns the gradients of `options.inputs`. */
export function runBackward(
  roots: readonly GradientTarget[],
  rootGrads: readonly (Tensor | null)[],
  options: BackwardOptions,
): (Tensor | null)[] {
  const tasks = new Map<Node, Task>();
  const rootTasks: Task[] = [];
  for (let i = 0; i < roots.length; i++) {
    const edge = edgeOf(roots[i]);
    if (edge === null) {
      throw new RuntimeError(`element ${i} of tensors does not require grad and does not have a grad_fn`);
    }
    rootTasks.push(taskOf(tasks, edge.node));
    const sum = (): Tensor | null => sumOf(rootTasks[i].grads[edge.output], rootGrads[i]);
    rootTasks[i].grads[edge.output] = withGradMode(options.createGraph, sum);
  }
  if (roots.length === 1) rootTasks[0].onlyRoot = true;
  countDependencies(tasks, rootTasks);
  const captured: (Tensor | null)[] = [];
  if (options.inputs !== undefined) markNeeded(tasks, options.inputs, captured, options.accumulate);
  const leads = (node: Node): boolean => {
    const task = tasks.get(node);
    return task !== undefined && (task.needed || task.captures !== null);
  };
  // PyTorch does not count the node of a single root.
  const executes = (node: Node): boolean => {
    const task = tasks.get(node);
    return task !== undefined && !task.onlyRoot && (options.inputs === undefined || leads(node));
  };
  withGraphTask(options.inputs === undefined ? null : leads, executes, () =>
    withGradMode(options.createGraph, () => execute(tasks, rootTasks, options, captured)),
  );
  return captured;
}

function taskOf(tasks: Map<Node, Task>, node: Node): Task {
  let task = tasks.get(node);
  if (task === undefined) tasks.set(node, (task = new Task(node)));
  return task;
}

function sumOf(a: Tensor | null, b: Tensor | null): Tensor | null {
  return a === null ? b : b === null ? a : a.add(b);
}

function countDependencies(tasks: Map<Node, Task>, roots: readonly Task[]): void {
  const stack: Node[] = [...new Set(roots.map((task) => task.node))];
  const seen = new Set<Node>(stack);
  while (stack.length > 0) {
    const node = stack.pop() as Node;
    const next = node.nextNodes;
    for (let i = 0; i < next.length; i++) {
      const child = next[i];
      if (child === null) continue;
      taskOf(tasks, child).pending++;
      if (!seen.has(child)) {
        seen.add(child);
        stack.push(child);
      }
    }
  }
}

/**
 * Leaves only the nodes on a path to `inputs`. With `accumulate`, what makes the inputs runs too: the accumulator of a
 * leaf is what adds to its `.grad`, and other tensors retain their gradient.
 */
function markNeeded(
  tasks: Map<Node, Task>,
  inputs: readonly GradientTarget[],
  captured: (Tensor | null)[],
  accumulate: boolean,
): void {
  for (const task of tasks.values()) task.needed = false;
  const parents = new Map<Node, Node[]>();
  for (const node of tasks.keys()) {
    for (const child of node.nextNodes) {
      if (child === null) continue;
      const list = parents.get(child);
      if (list) list.push(node);
      else parents.set(child, [node]);
    }
  }
  const stack: Node[] = [];
  inputs.forEach((input, position) => {
    captured.push(null);
    if (is_tensor(input) && !input.requires_grad) {
      throw new RuntimeError(
        accumulate
          ? "can't retain_grad on Tensor that has requires_grad=False"
          : "One of the differentiated Tensors does not require grad",
      );
    }
    const edge = edgeOf(input);
    // A view of a leaf that was made before the leaf required a gradient.
    if (edge === null) return;
    // Also where the gradient does not get there.
    if (accumulate && is_tensor(input) && !(edge.node instanceof AccumulateGrad)) retainGradient(input, edge);
    const task = tasks.get(edge.node);
    if (task === undefined) return;
    if (accumulate) {
      stack.push(edge.node);
      return;
    }
    task.captures ??= [];
    task.captures.push({ output: edge.output, position });
    for (const parent of parents.get(edge.node) ?? []) stack.push(parent);
  });
  while (stack.length > 0) {
    const node = stack.pop() as Node;
    const task = tasks.get(node) as Task;
    if (task.needed) continue;
    task.needed = true;
    for (const parent of parents.get(node) ?? []) stack.push(parent);
  }
}

/** Makes backward keep the gradient of a tensor that is not a leaf. */
export function retainGradient(tensor: Tensor, edge: Edge): void {
  if (tensor.retainsGrad) return;
  tensor.retainsGrad = true;
  edge.node.retained ??= [];
  edge.node.retained.push({ output: edge.output, tensor });
}

function execute(
  tasks: Map<Node, Task>,
  roots: readonly Task[],
  options: BackwardOptions,
  captured: (Tensor | null)[],
): void {
  const ready = new ReadyQueue();
  const anomaly = is_anomaly_enabled();
  for (const task of new Set(roots)) if (task.pending === 0) ready.push(task);
  for (let task = ready.pop(); task !== undefined; task = ready.pop()) {
    const next = task;
    if (anomaly) explainingErrors(next.node, () => runTask(next, tasks, ready, options, captured, true));
    else runTask(next, tasks, ready, options, captured, false);
  }
}

function runTask(
  task: Task,
  tasks: Map<Node, Task>,
  ready: ReadyQueue,
  options: BackwardOptions,
  captured: (Tensor | null)[],
  anomaly: boolean,
): void {
  const node = task.node;
  if (!task.needed) {
    // Only a gradient that goes no further is captured after the tensor's hooks have changed it, as in PyTorch, which also
    // runs those of a single root.
    if (task.captures !== null || task.onlyRoot) {
      runTensorHooks(task);
      if (node.retained !== null) retain(task);
      capture(task, captured);
    }
    settle(task, tasks, ready, null, options);
    return;
  }
  if (task.captures !== null) capture(task, captured);
  runTensorHooks(task);
  if (node.retained !== null) retain(task);
  if (node instanceof AccumulateGrad && node.preHooks === null && node.postHooks === null) {
    node.accumulate(task.grads[0], task.owned[0]);
    return;
  }
  const results = applyNode(task, options);
  if (anomaly && results !== null) checkResults(node, results);
  settle(task, tasks, ready, results, options);
  if (!options.retainGraph) node.release();
}

/** Runs one node; null if no gradient reached it. */
function applyNode(task: Task, options: BackwardOptions): Gradients | null {
  const node = task.node;
  let grads: Gradients = task.grads;
  if (node.preHooks !== null) for (const hook of [...node.preHooks]) grads = hooked(hook(grads), grads, hook.name);
  if (node instanceof OpNode && allNull(grads)) return null;
  const serial = lastStorageSerial();
  let results = node.apply(grads);
  if (node.postHooks !== null) {
    for (const hook of [...node.postHooks]) results = hooked(hook(results, grads), results, hook.name);
    return results;
  }
  if (options.createGraph || !(node instanceof OpNode) || node.preHooks !== null || !earlyFrees()) return results;
  markFresh(task, results, serial);
  return results;
}

function allNull(grads: Gradients): boolean {
  for (let i = 0; i < grads.length; i++) if (grads[i] !== null) return false;
  return true;
}

/** What a hook has made of gradients. */
function hooked(after: Gradients | Tensor | null | undefined, before: Gradients, name: string): Gradients {
  if (after === null || after === undefined) return before;
  const list = is_tensor(after) ? [after] : after;
  if (list.length !== before.length) {
    throw new RuntimeError(
      `hook '${name || "<lambda>"}' has returned an incorrect number of values (got ${list.length}, but expected ${before.length})`,
    );
  }
  return list.map((g, i) => checkedReplacement(g, before[i], name));
}

function checkedReplacement(after: unknown, before: Tensor | null, hook: string): Tensor | null {
  if (after === null || after === undefined) return null;
  if (!is_tensor(after)) throw new TypeError(`expected Variable, but hook returned '${describe(after)}'`);
  if (before === null) throw new RuntimeError("can't replace a None gradient with a non-None value");
  const name = hook || "<lambda>";
  if (!sameShape(after.sizes, before.sizes)) {
    throw new RuntimeError(
      `hook '${name}' has changed the size of value. It was ${shapeText(before.sizes)} and is ${shapeText(after.sizes)}`,
    );
  }
  if (after.dtype !== before.dtype) {
    const type = ({ dtype }: Tensor): string => `torch.${scalarTypeName(dtype)}Tensor`;
    throw new RuntimeError(`hook '${name}' has changed the type of value (was ${type(before)} got ${type(after)})`);
  }
  return after;
}

/** Notes which results have a storage of their own, and gives back the gradients that were consumed. */
function markFresh(task: Task, results: Gradients, serial: number): void {
  const n = results.length;
  const fresh = new Array<boolean>(n);
  for (let i = 0; i < n; i++) {
    const g = results[i];
    fresh[i] = g !== null && g.storage.serial > serial && !g.storage.kept && sharing(results, g) === 1;
  }
  task.fresh = fresh;
  if (task.captures !== null) return;
  for (let i = 0; i < task.grads.length; i++) {
    const g = task.grads[i];
    if (g === null || !task.owned[i]) continue;
    const shared = sharing(results, g);
    if (shared === 0) g.storage.free();
    else if (shared === 1) fresh[results.findIndex((r) => r?.storage === g.storage)] = true;
  }
}

/** How many of `results` have the storage of `tensor`. */
function sharing(results: Gradients, tensor: Tensor): number {
  let count = 0;
  for (let i = 0; i < results.length; i++) if (results[i]?.storage === tensor.storage) count++;
  return count;
}

/** Sends a node's results along its edges. */
function settle(
  task: Task,
  tasks: Map<Node, Task>,
  ready: ReadyQueue,
  results: Gradients | null,
  options: BackwardOptions,
): void {
  const { nextNodes, nextOutputs } = task.node;
  const { fresh } = task;
  if (results !== null && results.length < nextNodes.length) {
    throw new RuntimeError(
      `Function ${task.node.name()} returned an invalid number of gradients - expected ${nextNodes.length}, but got ${results.length}`,
    );
  }
  for (let i = 0; i < nextNodes.length; i++) {
    const child = nextNodes[i];
    if (child === null) continue;
    const target = tasks.get(child) as Task;
    const grad = results === null ? null : results[i];
    if (grad !== null && grad !== undefined && (target.needed || target.captures !== null)) {
      receive(target, nextOutputs[i], grad, fresh?.[i] ?? false, options);
    }
    if (--target.pending === 0) ready.push(target);
  }
}

function receive(target: Task, output: number, grad: Tensor, owned: boolean, options: BackwardOptions): void {
  const before = target.grads[output];
  if (before === null) {
    target.grads[output] = grad;
    target.owned[output] = owned;
  } else if (
    target.owned[output] &&
    before.contiguousLayout &&
    !options.createGraph &&
    before.dtype === grad.dtype &&
    sameShape(before.sizes, grad.sizes)
  ) {
    before.add_(grad);
    if (owned) grad.storage.free();
  } else {
    target.grads[output] = before.add(grad);
    target.owned[output] = !options.createGraph && earlyFrees();
  }
}

function runTensorHooks(task: Task): void {
  const hooks = task.node.tensorHooks;
  if (hooks === null) return;
  for (const { output, hook } of [...hooks]) {
    const grad = task.grads[output];
    if (grad === null) continue;
    // The hook may keep the gradient.
    task.owned[output] = false;
    task.grads[output] = checkedReplacement(hook(grad), grad, hook.name) ?? grad;
  }
}

function retain(task: Task): void {
  for (const { output, tensor } of task.node.retained ?? []) {
    const grad = task.grads[output];
    if (grad !== null) tensor.gradient = tensor.gradient === null ? grad.clone() : tensor.gradient.add(grad);
  }
}

function capture(task: Task, captured: (Tensor | null)[]): void {
  for (const { output, position } of task.captures ?? []) {
    const grad = task.grads[output];
    if (grad === null) continue;
    task.owned[output] = false;
    captured[position] = grad;
  }
}

/**
 * A binary heap; leaves first, then the greatest sequence number. The leaves have no order among themselves: which of
 * them runs first follows from the algorithm, so it is that of libstdc++'s priority queue, which PyTorch uses.
 */
class ReadyQueue {
  private readonly heap: Task[] = [];

  private before(a: Task, b: Task): boolean {
    return a.node.sequenceNumber > b.node.sequenceNumber;
  }

  push(task: Task): void {
    this.heap.push(task);
    this.rise(this.heap.length - 1, task);
  }

  /** Puts `task` where `hole` is, or above. */
  private rise(hole: number, task: Task): void {
    const heap = this.heap;
    let i = hole;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.before(task, heap[parent])) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = task;
  }

  pop(): Task | undefined {
    const heap = this.heap;
    const first = heap[0];
    const last = heap.pop();
    const count = heap.length;
    if (count === 0 || last === undefined) return first;
    // The hole goes down to the bottom, and what was last rises from there.
    let hole = 0;
    for (let right = 2; right <= count; right = 2 * hole + 2) {
      const child = right === count || this.before(heap[right - 1], heap[right]) ? right - 1 : right;
      heap[hole] = heap[child];
      hole = child;
    }
    this.rise(hole, last);
    return first;
  }
}
