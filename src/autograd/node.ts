/** The graph that autograd records: nodes and their edges. */

import type { DType } from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import type { Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { rememberOrigin } from "./anomaly.ts";
import { pushRemovable, type RemovableHandle } from "./removable-handle.ts";

/** Gradients flow from a node's outputs to its inputs; `null` stands for zero. */
export type Gradients = readonly (Tensor | null)[];

export type NodeHook = (gradInputs: Gradients, gradOutputs: Gradients) => Gradients | null | undefined;
export type NodePreHook = (gradOutputs: Gradients) => Gradients | null | undefined;

/** What a node expects of a gradient that comes to it. */
export interface InputMetadata {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** A place in the graph that gradients go to: PyTorch's `torch.autograd.graph.GradientEdge`. */
export class GradientEdge {
  readonly node: Node;
  /** Which output of the operation it is. */
  readonly output_nr: number;
  constructor(node: Node, output_nr: number) {
    this.node = node;
    this.output_nr = output_nr;
  }
  toString(): string {
    return `GradientEdge(node=${this.node}, output_nr=${this.output_nr})`;
  }
}

let sequence = 0;

/** One recorded operation: PyTorch's `torch.autograd.graph.Node`. */
export abstract class Node {
  /** For each input of the operation, the node that made it (or null), and which of that node's outputs it is. */
  nextNodes: (Node | null)[];
  nextOutputs: number[];
  /** Later operations have greater numbers; the engine runs the greatest first. */
  readonly sequenceNumber: number = sequence++;
  /** Hooks on outputs of the operation, run on the gradient before `apply`. */
  tensorHooks: { output: number; hook: (grad: Tensor) => Tensor | null | undefined }[] | null = null;
  /** Tensors that keep their gradient (`retain_grad`), and which output each is. */
  retained: { output: number; tensor: Tensor }[] | null = null;
  preHooks: NodePreHook[] | null = null;
  postHooks: NodeHook[] | null = null;
  /** What the operation kept for backward, by PyTorch's names, and the `SavedTensor` in which it did. */
  readonly [saved: `_saved_${string}` | `_raw_saved_${string}`]: unknown;
  private kept: Record<string, unknown> | null = null;

  constructor(nextNodes: (Node | null)[], nextOutputs: number[]) {
    this.nextNodes = nextNodes;
    this.nextOutputs = nextOutputs;
    rememberOrigin(this);
  }

  /** PyTorch's name, such as `AddBackward0`. */
  abstract name(): string;

  /** How many outputs the operation had. */
  abstract readonly outputCount: number;

  /** Whether saved inputs may be detached in place: those of custom functions may. */
  readonly keepsDetached?: boolean;

  /** The shape of an output, where the node keeps it. */
  outputShape?(output?: number): readonly number[];

  /** Gradients of the inputs from those of the outputs. */
  abstract apply(grads: Gradients): Gradients;

  /** Lets go of what was saved. */
  release(): void {}

  /** Prepares the node for a user who looks at it. */
  shown(): this {
    return this;
  }

  /** What the gradient of output `i` looks like; null where that is not known. */
  inputMetadata(_i: number): InputMetadata | null {
    return null;
  }

  /** The same for all outputs, as PyTorch has it. */
  get _input_metadata(): readonly (InputMetadata | null)[] {
    return Array.from({ length: this.outputCount }, (_, i) => this.inputMetadata(i));
  }

  /** Anything a user wants to keep with the node. */
  get metadata(): Record<string, unknown> {
    this.kept ??= {};
    return this.kept;
  }

  /** Later operations have greater numbers. */
  _sequence_nr(): number {
    return this.sequenceNumber;
  }

  /** Pairs of node and output number, as in PyTorch. */
  get next_functions(): readonly (readonly [Node | null, number])[] {
    return this.nextNodes.map((node, i) => [node?.shown() ?? null, this.nextOutputs[i]] as const);
  }

  /** Calls `hook(grad_inputs, grad_outputs)` after this node has run; it may return other grad_inputs. */
  register_hook(hook: NodeHook): RemovableHandle {
    this.postHooks ??= [];
    return pushRemovable(this.postHooks, hook);
  }

  /** Calls `hook(grad_outputs)` before this node runs; it may return other grad_outputs. */
  register_prehook(hook: NodePreHook): RemovableHandle {
    this.preHooks ??= [];
    return pushRemovable(this.preHooks, hook);
  }

  toString(): string {
    return `<${this.name().replace("torch::autograd::", "")}>`;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** `Exp` for `ExpBackward0`, `Max1` for `MaxBackward1`: what PyTorch's messages call an operation. */
export function operationName(node: Node): string {
  return node.name().replace(/Backward0?(\d*)$/, "$1");
}

export function releasedError(): RuntimeError {
  return new RuntimeError(
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors after calling backward.",
  );
}
