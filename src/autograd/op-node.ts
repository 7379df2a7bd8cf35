/** The node of a dispatched op: what was saved, and the call of the op's gradient formula. */

import { isRecording } from "../context/grad-mode.ts";
import type { DType } from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { expandsTo, type Shape, shapeText } from "../shape.ts";
import { type Storage, trackStorages } from "../storage/storage.ts";
import { Tensor } from "../tensor.ts";
import { isWanted } from "./graph-task.ts";
import { earlyFrees } from "./mode.ts";
import { type Gradients, type InputMetadata, Node, releasedError } from "./node.ts";
import { defaultInputNames, exposeSaved, outputNames, type SavedAttribute } from "./saved-attributes.ts";
import { SavedTensor } from "./saved-tensor.ts";

/** What a gradient formula sees of the recorded call. */
export interface GradientContext<A = unknown> {
  /** A saved input of the op. */
  input(this: GradientContext<A>, i: number): Tensor;
  /** A saved output of the op. */
  output(this: GradientContext<A>, i?: number): Tensor;
  /** The op's attributes: everything that is not a tensor. */
  readonly attrs: A;
  /** Whether the gradient of input `i` is wanted. */
  needs(this: GradientContext<A>, i: number): boolean;
  shape(this: GradientContext<A>, i: number): Shape;
  dtype(this: GradientContext<A>, i: number): DType;
  outputShape(this: GradientContext<A>, i?: number): Shape;
  outputDType(this: GradientContext<A>, i?: number): DType;
  readonly inputCount: number;
}

/** In a mask of saved tensors: input `i` is bit i, output `j` is bit `OUTPUT_BIT + j`. */
export const OUTPUT_BIT = 20;

/** The part of an op that autograd needs. `dispatch.ts` has the rest. */
export interface DifferentiableOp<A> {
  /** The node's name without its trailing number: `AddBackward`. */
  readonly nodeName: string;
  /** Gradients of the inputs; `grads` has one entry for each output, null where no gradient came. */
  readonly gradient: (grads: Gradients, context: GradientContext<A>) => Gradients;
  /**
   * For each input (the last entry also for all further ones): what its gradient needs saved, bit i for input i and
   * bit `OUTPUT_BIT + j` for output j.
   */
  readonly masks: readonly number[];
  /** How many edges to nothing follow those of the inputs: numbers that PyTorch takes for tensors. */
  readonly numberEdges?: number;
  /** PyTorch's names of the inputs, for `grad_fn._saved_…`. Default: `self`, or `self` and `other`. */
  readonly inputNames?: readonly string[];
  /** What else PyTorch shows of a call there. Default: its attributes. */
  readonly savedAttributes?: (attrs: A) => Readonly<Record<string, unknown>>;
  /** PyTorch keeps a number among the operands as a tensor: backward lets go of it, and does not run again. */
  readonly runsOnce?: boolean;
  /** Which outputs of several have a gradient; all floating-point ones if absent. */
  readonly differentiableOutputs?: readonly boolean[];
}

export class OpNode<A> extends Node implements GradientContext<A> {
  readonly op: DifferentiableOp<A>;
  readonly attrs: A;
  readonly inputCount: number;
  readonly outputCount: number;
  private readonly inputShapes: Shape[];
  private readonly inputDTypes: DType[];
  private readonly outputShapes: Shape[];
  private readonly outputDTypes: DType[];
  private readonly outputMask: number;
  private savedInputs: (SavedTensor | null)[] | null;
  private savedOutputs: (SavedTensor | null)[] | null;
  /** What hooks have unpacked for the formula that runs. */
  private unpacked: Map<SavedTensor, Tensor> | null = null;

  constructor(
    op: DifferentiableOp<A>,
    attrs: A,
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
    nextNodes: (Node | null)[],
    nextOutputs: number[],
    savedInputs: (SavedTensor | null)[],
    outputMask: number,
  ) {
    super(nextNodes, nextOutputs);
    this.op = op;
    this.attrs = attrs;
    this.inputCount = inputs.length;
    this.outputCount = outputs.length;
    this.inputShapes = inputs.map((t) => t.sizes);
    this.inputDTypes = inputs.map((t) => t.dtype);
    this.outputShapes = outputs.map((t) => t.sizes);
    this.outputDTypes = outputs.map((t) => t.dtype);
    this.savedInputs = savedInputs;
    this.outputMask = outputMask;
    this.savedOutputs = [];
  }

  /** Saves the outputs that gradients use, with the versions that they have now. Has to be called when they are computed. */
  saveOutputs(outputs: readonly Tensor[]): void {
    const mask = this.outputMask;
    if (mask === 0) return;
    this.savedOutputs = outputs.map((t, j) => {
      if (!(mask & (1 << (OUTPUT_BIT + j)))) return null;
      // An output without a gradient has no history to be given back.
      const differentiable = t.dtype.is_floating_point && (this.op.differentiableOutputs?.[j] ?? true);
      return new SavedTensor(t, differentiable ? j : -1, this);
    });
  }

  override name(): string {
    // PyTorch numbers the overloads of an op; those whose number is not 0 have it in their name.
    const name = this.op.nodeName;
    return /Backwards?\d$|Backwards$/.test(name) ? name : `${name}0`;
  }

  override shown(): this {
    exposeSaved(this, () => this.savedAttributes());
    return this;
  }

  private savedAttributes(): SavedAttribute[] {
    const { op, attrs, inputCount, outputCount } = this;
    const list: SavedAttribute[] = [];
    const inputs = op.inputNames ?? defaultInputNames(inputCount);
    const mask = op.masks.reduce((a, b) => a | b, 0);
    for (let i = 0; i < inputCount; i++) {
      if (i >= inputs.length || !(mask & (1 << i))) continue;
      const raw = (): SavedTensor | null => savedAt(this.savedInputs, i);
      list.push({ name: inputs[i], raw, value: () => raw()?.unpack(this) ?? null });
    }
    outputNames(outputCount).forEach((name, j) => {
      if (!(mask & (1 << (OUTPUT_BIT + j)))) return;
      const raw = (): SavedTensor | null => savedAt(this.savedOutputs, j);
      list.push({ name, raw, value: () => raw()?.unpack(this) ?? null });
    });
    const others = op.savedAttributes?.(attrs) ?? attrs;
    if (typeof others === "object" && others !== null) {
      for (const [name, value] of Object.entries(others)) {
        if (isShown(name, value)) list.push({ name, value: () => value });
      }
    }
    return list;
  }

  input(i: number): Tensor {
    if (this.savedInputs === null) throw releasedError();
    const saved = this.savedInputs[i];
    if (!saved) throw new Error(`Kindling: ${this.op.nodeName} did not declare that it saves input ${i}`);
    return saved.hooked ? this.unpackOnce(saved) : saved.unpack(this);
  }
  output(i = 0): Tensor {
    if (this.savedOutputs === null) throw releasedError();
    const saved = this.savedOutputs[i];
    if (!saved) throw new Error(`Kindling: ${this.op.nodeName} did not declare that it saves output ${i}`);
    return saved.hooked ? this.unpackOnce(saved) : saved.unpack(this);
  }
  /** A formula may ask several times; hooks are called once each time that it runs. */
  private unpackOnce(saved: SavedTensor): Tensor {
    this.unpacked ??= new Map();
    let tensor = this.unpacked.get(saved);
    if (tensor === undefined) this.unpacked.set(saved, (tensor = saved.unpack(this)));
    return tensor;
  }
  needs(i: number): boolean {
    const next = this.nextNodes[i];
    return next !== null && isWanted(next);
  }
  shape(i: number): Shape {
    return this.inputShapes[i];
  }
  dtype(i: number): DType {
    return this.inputDTypes[i];
  }
  override outputShape(i = 0): Shape {
    return this.outputShapes[i];
  }
  outputDType(i = 0): DType {
    return this.outputDTypes[i];
  }
  override inputMetadata(i: number): InputMetadata {
    return { shape: this.outputShapes[i], dtype: this.outputDTypes[i] };
  }

  override apply(grads: Gradients): Gradients {
    if (this.savedInputs === null || this.savedOutputs === null) throw releasedError();
    this.checkSaved(this.savedInputs);
    this.checkSaved(this.savedOutputs);
    // Views that were made without recording, of what requires a gradient, lead nowhere.
    if (!this.nextNodes.some(exists)) return this.nextNodes.map(nothing);
    // A run that threw may have left something.
    this.unpacked = null;
    const results = this.runFormula(grads);
    this.unpacked = null;
    return results;
  }

  /** As in PyTorch, nothing that was saved may have changed, also where this run does not use it. */
  private checkSaved(list: readonly (SavedTensor | null)[] | null): void {
    if (list === null) return;
    for (let i = 0; i < list.length; i++) {
      const saved = list[i];
      if (saved?.changed) saved.unpack(this);
    }
  }

  private runFormula(grads: Gradients): Gradients {
    if (isRecording() || !earlyFrees()) return this.conform(this.op.gradient(grads, this));
    // Without create_graph nobody but the results can refer to what the formula allocates: its temporaries go back now.
    let results: Gradients = [];
    trackStorages(
      () => {
        results = this.conform(this.op.gradient(grads, this));
      },
      (storage) => holds(results, storage) || holds(grads, storage),
    );
    return results;
  }

  private summed(g: Tensor, i: number): Tensor {
    const shape = this.inputShapes[i];
    if (expandsTo(shape, g.sizes)) return g.sum_to_size(shape);
    throw new RuntimeError(
      `Function ${this.name()} returned an invalid gradient at index ${i} - got ${shapeText(g.sizes)} but expected shape compatible with ${shapeText(shape)}`,
    );
  }

  /** Gradients get the shape and the dtype of the inputs they belong to: sums over what was broadcast. */
  private conform(results: Gradients): Gradients {
    const count = this.nextNodes.length;
    const out = new Array<Tensor | null>(count);
    for (let i = 0; i < count; i++) {
      let g = results[i];
      if (g !== null && g !== undefined && this.nextNodes[i] !== null) {
        const shape = this.inputShapes[i];
        if (g.sizes !== shape && !sameSizes(g.sizes, shape)) g = this.summed(g, i);
        if (g.dtype !== this.inputDTypes[i]) g = g.to(this.inputDTypes[i]);
        out[i] = g;
      } else out[i] = null;
    }
    return out;
  }

  override release(): void {
    this.unpacked = null;
    // What saved nothing can run again, as in PyTorch.
    if (releaseAll(this.savedInputs) || this.op.runsOnce) this.savedInputs = null;
    if (releaseAll(this.savedOutputs)) this.savedOutputs = null;
  }
}

const exists = (node: Node | null): boolean => node !== null;
const nothing = (): null => null;

/** Whether an attribute is one of PyTorch's, rather than a detail of how the op is computed here. */
function isShown(name: string, value: unknown): boolean {
  const plain = (v: unknown): boolean => v === null || typeof v !== "object";
  return /^[a-z0-9_]+$/.test(name) && (Array.isArray(value) ? value.every(plain) : plain(value));
}

function savedAt(list: readonly (SavedTensor | null)[] | null, i: number): SavedTensor | null {
  if (list === null) throw releasedError();
  return list[i] ?? null;
}

/** Lets go of saved tensors; whether there were any. */
function releaseAll(list: readonly (SavedTensor | null)[] | null): boolean {
  let any = false;
  if (list === null) return any;
  for (let i = 0; i < list.length; i++) {
    const saved = list[i];
    if (saved === null) continue;
    saved.release();
    any = true;
  }
  return any;
}

function sameSizes(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function holds(list: Gradients, storage: Storage): boolean {
  for (const t of list) if (t instanceof Tensor && t.storage === storage) return true;
  return false;
}
