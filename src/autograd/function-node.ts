/** The node of a custom function, which is also the context that its methods share. */
import { DType } from "../dtype.ts";
import { AssertionError, NotImplementedError, RuntimeError } from "../errors.ts";
import { describe, expandsTo, type Shape, sameShape, shapeText } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { type Gradients, type InputMetadata, Node, releasedError } from "./node.ts";
import type { Edge } from "./record.ts";
import { SavedTensor } from "./saved-tensor.ts";
import { zerosFor } from "./zeros.ts";

/** The static side of a user's class, as far as it is called. */
export interface FunctionStatics {
  readonly name: string;
  forward(...args: never[]): unknown;
  setup_context?(context: never, inputs: never, output: never): unknown;
  backward?(context: never, ...grads: never[]): unknown;
  vjp?(context: never, ...grads: never[]): unknown;
  jvp?(context: never, ...tangents: never[]): unknown;
  vmap?(info: never, in_dims: never, ...args: never[]): unknown;
  readonly generate_vmap_rule?: boolean;
  readonly clear_saved_tensors_on_access?: boolean;
  readonly boxed_grads_call?: boolean;
}

export type AnyCall = (...args: unknown[]) => unknown;

function metadataOf({ sizes, dtype }: Tensor): InputMetadata {
  return { shape: sizes, dtype };
}

/** Values of a method that may return one of them or an array. */
export function listOf(x: unknown): unknown[] {
  return Array.isArray(x) ? [...x] : [x];
}

/**
 * What `forward`, `backward` and `jvp` of a custom function share, and the `grad_fn` of its outputs. Anything that is not
 * a tensor to be saved may be kept as a field of its own.
 */
export class FunctionNode extends Node {
  /** For each argument of `apply`, whether it is a tensor that requires a gradient. */
  needs_input_grad: readonly boolean[];
  outputCount = 0;
  /** What the methods below were called with. */
  to_save: readonly (Tensor | null)[] | null = null;
  saved_for_forward: readonly (Tensor | null)[] | null = null;
  dirty_tensors: readonly Tensor[] | null = null;
  non_differentiable: readonly Tensor[] | null = null;
  output_grad_dtypes: readonly (DType | null)[] | null = null;
  materialize_grads = true;

  override readonly keepsDetached = true;

  readonly #statics: FunctionStatics;
  /** For each argument of `apply`, whether it is a tensor. */
  readonly #isTensor: readonly boolean[];
  /** Of the arguments that are tensors. */
  #inputs: readonly InputMetadata[] = [];
  /** Null for outputs that are not tensors. */
  #outputs: readonly (InputMetadata | null)[] = [];
  #saved: readonly (SavedTensor | null)[] | null = [];
  #cleared = false;

  /** @internal `edges` belong to the arguments that are tensors. */
  constructor(statics: FunctionStatics, args: readonly unknown[], edges: readonly (Edge | null)[]) {
    super(
      edges.map((e) => e?.node ?? null),
      edges.map((e) => e?.output ?? 0),
    );
    this.#statics = statics;
    this.#isTensor = args.map(is_tensor);
    this.needs_input_grad = args.map((a) => is_tensor(a) && a.requires_grad);
  }

  /**
   * Keeps tensors for backward: inputs, outputs or others, and null. They come back as `saved_tensors`, and it is an error
   * if they were changed in place since. To be called once.
   */
  save_for_backward(...tensors: (Tensor | null)[]): void {
    this.to_save = tensors;
  }

  /** Keeps tensors for `jvp`, where they are the `saved_tensors`. */
  save_for_forward(...tensors: (Tensor | null)[]): void {
    if (tensors.some((t) => t !== null && !is_tensor(t))) {
      throw new AssertionError(
        "save_for_forward expects all arguments to be tensors; you should save non-tensors as attributes on ctx.",
      );
    }
    this.saved_for_forward = tensors;
  }

  override outputShape(output = 0): Shape {
    return this.#outputs[output]?.shape ?? [];
  }

  /** What was saved: in `jvp` by `save_for_forward`, in `backward` by `save_for_backward`. Empty in `forward`. */
  get saved_tensors(): Tensor[] {
    if (this.saved_for_forward !== null) return [...this.saved_for_forward] as Tensor[];
    if (this.#cleared) {
      throw new RuntimeError(
        "saved_tensors can only be accessed once when clear_saved_tensors_on_access=True is set on the autograd.Function. Either access saved_tensors only once, or set clear_saved_tensors_on_access=False.",
      );
    }
    const tensors = this.#savedTensors().map((s) => (s === null ? null : s.unpack(this)));
    if (this.#statics.clear_saved_tensors_on_access === true) {
      this.#saved = [];
      this.#cleared = true;
    }
    return tensors as Tensor[];
  }

  /** @internal What is kept, with its hooks. */
  get _raw_saved_tensors(): readonly SavedTensor[] {
    return this.#savedTensors().map((saved) => saved ?? SavedTensor.none);
  }

  #savedTensors(): readonly (SavedTensor | null)[] {
    if (this.#saved === null) throw releasedError();
    return this.#saved;
  }

  /** Says which inputs `forward` changes in place; they must be among its outputs. To be called once. */
  mark_dirty(...tensors: Tensor[]): void {
    this.dirty_tensors = tensors;
  }

  /** Says which outputs have no gradient; integer ones need not be named. To be called once. */
  mark_non_differentiable(...tensors: Tensor[]): void {
    this.non_differentiable = tensors;
  }

  /** With false, gradients and tangents that are not there come to `backward` and `jvp` as null rather than as zeros. */
  set_materialize_grads(value: boolean): void {
    if (typeof value !== "boolean") {
      throw new TypeError(
        "set_materialize_grads received an invalid combination of arguments - got (), but expected (bool)",
      );
    }
    this.materialize_grads = value;
  }

  /**
   * For each output, the dtype in which `backward` wants its gradient; null leaves it as it comes. Default: the dtype of
   * the output.
   */
  set_output_grad_dtype(...dtypes: (DType | null)[]): void {
    if (this.output_grad_dtypes !== null) throw new RuntimeError("set_output_grad_dtype can only be called once");
    const wrong = dtypes.find((d) => d !== null && !(d instanceof DType));
    if (wrong !== undefined) {
      throw new RuntimeError(
        `set_output_grad_dtype expects each declaration to be a torch.dtype or None, but got ${describe(wrong)}`,
      );
    }
    this.output_grad_dtypes = dtypes;
  }

  override name(): string {
    return `${this.#statics.name}Backward`;
  }

  override inputMetadata(i: number): InputMetadata | null {
    return this.#outputs[i] ?? null;
  }

  /** @internal Says what the call was about. `differentiable` has one entry for each output. */
  finish(inputs: readonly Tensor[], outputs: readonly unknown[], differentiable: readonly boolean[]): void {
    this.outputCount = outputs.length;
    this.#inputs = inputs.map(metadataOf);
    this.#outputs = outputs.map((t) => (is_tensor(t) ? metadataOf(t) : null));
    this.#checkOutputDTypes(differentiable);
    this.#saved = (this.to_save ?? []).map((t, i) => {
      if (t === null || t === undefined) return null;
      if (!is_tensor(t)) {
        throw new TypeError(
          `save_for_backward can only save variables, but argument ${i} is of type ${describe(t)}. Keep other values as fields of ctx.`,
        );
      }
      const output = outputs.indexOf(t);
      return new SavedTensor(t, output >= 0 && differentiable[output] ? output : -1, this);
    });
    this.to_save = null;
    this.non_differentiable = null;
  }

  #checkOutputDTypes(differentiable: readonly boolean[]): void {
    const dtypes = this.output_grad_dtypes;
    if (dtypes === null) return;
    if (dtypes.length !== this.outputCount) {
      throw new RuntimeError(
        `set_output_grad_dtype expected the number of declarations to match the number of outputs: the Function returned ${this.outputCount} values but ${dtypes.length} declarations were provided`,
      );
    }
    const wrong = dtypes.findIndex((d, i) => d !== null && !differentiable[i]);
    if (wrong >= 0) {
      throw new RuntimeError(
        `set_output_grad_dtype: got a concrete dtype for output ${wrong}, but that output is not a differentiable tensor (it is a non-tensor, was marked non-differentiable, or has a non-differentiable dtype). Pass None for output ${wrong} instead.`,
      );
    }
  }

  override apply(grads: Gradients): Gradients {
    const given = this.#outputs.map((kind, i) => {
      const grad = grads[i] ?? (this.materialize_grads && kind !== null ? zerosFor(kind) : null);
      const dtype = this.output_grad_dtypes?.[i] ?? null;
      return grad !== null && dtype !== null && grad.dtype !== dtype ? grad.to(dtype) : grad;
    });
    const backward = backwardOf(this.#statics);
    const boxed = this.#statics.boxed_grads_call === true;
    return this.#conform(listOf(boxed ? backward(this, given) : backward(this, ...given)));
  }

  /** What `backward` has returned, as gradients of the inputs that are tensors. */
  #conform(list: unknown[]): Gradients {
    const count = this.#isTensor.length;
    while (list.length > count && (list[list.length - 1] ?? null) === null) list.pop();
    if (list.length !== count) {
      throw new RuntimeError(
        `function ${this.name()} returned an incorrect number of gradients (expected ${count}, got ${list.length})`,
      );
    }
    const grads: (Tensor | null)[] = [];
    list.forEach((g, position) => {
      if (g === null || g === undefined) {
        if (this.#isTensor[position]) grads.push(null);
      } else if (!this.#isTensor[position]) {
        throw new RuntimeError(
          `function ${this.name()} returned a gradient different than None at position ${position + 1}, but the corresponding forward input was not a Variable`,
        );
      } else if (!is_tensor(g)) throw new RuntimeError(`expected Variable or None (got ${describe(g)})`);
      else grads.push(this.#conformOne(g, grads.length));
    });
    return grads;
  }

  #conformOne(grad: Tensor, i: number): Tensor | null {
    // Nobody takes it, but hooks see it.
    if (this.nextNodes[i] === null) return grad;
    const input = this.#inputs[i];
    let result = grad;
    if (!sameShape(grad.sizes, input.shape)) {
      if (!expandsTo(input.shape, grad.sizes)) {
        throw new RuntimeError(
          `Function ${this.name()} returned an invalid gradient at index ${i} - got ${shapeText(grad.sizes)} but expected shape compatible with ${shapeText(input.shape)}`,
        );
      }
      result = grad.sum_to_size([...input.shape]);
    }
    return result.dtype === input.dtype ? result : result.to(input.dtype);
  }

  /** @internal Tangents of the outputs, from those of the inputs that are tensors. */
  applyJvp(inputs: readonly Tensor[], tangents: readonly (Tensor | null)[]): (Tensor | null)[] {
    let next = 0;
    const given = this.#isTensor.map((tensor) => {
      if (!tensor) return null;
      const i = next++;
      if (tangents[i] !== null || !this.materialize_grads || !inputs[i].dtype.is_floating_point) return tangents[i];
      return zerosFor(metadataOf(inputs[i]));
    });
    const { jvp } = this.#statics;
    if (typeof jvp !== "function") {
      throw new NotImplementedError(
        "You must implement the jvp function for custom autograd.Function to use it with forward mode AD.",
      );
    }
    const results = listOf((jvp as AnyCall).call(this.#statics, this, ...given));
    return results.map((t, i) => {
      if (t === null || t === undefined) return null;
      if (is_tensor(t)) return t;
      throw new RuntimeError(`expected Variable or None (got ${describe(t)}) for grad output ${i}.`);
    });
  }

  override release(): void {
    for (const saved of this.#saved ?? []) saved?.release();
    this.#saved = null;
  }
}

/** The method that gives the gradients; `vjp` is another name of `backward`. */
export function backwardOf(statics: FunctionStatics): AnyCall {
  const { backward, vjp } = statics;
  if (typeof backward === "function" && typeof vjp === "function") {
    throw new RuntimeError(
      "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of them.",
    );
  }
  const method = backward ?? vjp;
  if (typeof method !== "function") {
    throw new NotImplementedError(
      "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD.",
    );
  }
  return (method as AnyCall).bind(statics);
}

/**
 * What the methods of a custom function share: `FunctionCtx<{ scale: number }>` for one that keeps `ctx.scale`. A field
 * `saved_tensors` says which tensors those are: `FunctionCtx<{ saved_tensors: [Tensor, Tensor] }>`.
 */
export type FunctionCtx<Fields extends object = Record<string, unknown>> = FunctionNode & Fields;
export const FunctionCtx: typeof FunctionNode = FunctionNode;
