/**
 * The pointwise kind: one element of each operand gives one element of the result, with broadcasting and type
 * promotion. `unary` and `binary` (in their own files) are its usual forms.
 */
import { dispatch, dispatchInplace, type GradientContext, type Primitive } from "../../dispatch.ts";
import type { DType } from "../../dtype.ts";
import * as dt from "../../dtype.ts";
import { RuntimeError } from "../../errors.ts";
import { Axis, type ComputeType, computeType, type Expr, load, param } from "../../ir/expr.ts";
import { broadcastShapes, broadcastStrides, contiguousStrides, describe, sameShape, shapeText } from "../../shape.ts";
import { Tensor } from "../../tensor.ts";
import { KernelCache, launchFlat } from "../launch.ts";
import { allocate, runRow } from "../row.ts";
import { isScalar, legacyName, type Operand, resultType, type Scalar } from "./promote.ts";

/**
 * How the result's dtype follows from the operands' common type:
 * "common": that type. "int_to_float": the default float type for integers and bool. "bool": bool, computed in the
 * common type. "float_bool": bool, with integers computed as they are.
 */
export type PromoteRule = "common" | "int_to_float" | "bool";

/** Attributes of a pointwise call: the operands that are numbers, and named parameters. */
export interface PointwiseAttrs {
  /** For each operand: its number, or null where it is the next tensor. */
  readonly numbers: readonly (Scalar | null)[];
  /** Named scalars such as `alpha`. */
  readonly scalars: Readonly<Record<string, number | bigint>>;
  /** What else the kernel depends on; part of its cache key. */
  readonly variant: string;
  /** Overrides the common type (for `dtype` arguments and for kernels that compute elsewhere). */
  readonly compute: DType | null;
}

/** The operands of a recorded call, tensors and numbers. */
export type GradientFormula = (g: Tensor, context: PointwiseContext) => Tensor | null;

/** What a pointwise gradient formula sees. Operand numbers count numbers and tensors alike. */
export interface PointwiseContext {
  operand(i: number): Operand;
  readonly result: Tensor;
  readonly scalars: Readonly<Record<string, number | bigint>>;
  readonly variant: string;
  shape(i: number): readonly number[];
}

export interface PointwiseSpec {
  readonly name: string;
  /** How many operands; at most 5. */
  readonly operands: number;
  readonly promote?: PromoteRule;
  /** Names of scalars, which the kernel gets as expressions of the compute type. */
  readonly scalars?: readonly string[];
  /** Element expression. `x` has the compute type of the common dtype. */
  readonly kernel: (
    operands: readonly Expr[],
    scalars: Readonly<Record<string, Expr>>,
    info: { readonly dtype: DType; readonly variant: string; readonly type: ComputeType },
  ) => Expr;
  /** Gradient of each operand; null where it has none. Absent: the op is not differentiable. */
  readonly gradients?: readonly (GradientFormula | null)[];
  /** For the gradient of each operand: which operands it uses, and "result" for the result. */
  readonly saves?: readonly (readonly (number | "result")[])[];
  /** Throws for dtypes that PyTorch refuses. */
  readonly check?: (common: DType, name: string) => void;
  /** PyTorch's node name if it is not the capitalized op name with `Backward`. */
  readonly nodeName?: string;
}

const NO_SCALARS: Readonly<Record<string, number>> = Object.freeze({});

/** `masked_fill` → `MaskedFillBackward`. */
export function nodeNameOf(name: string): string {
  const trimmed = name.replace(/^_+/, "");
  return `${trimmed.replace(/(^|_)([a-z])/g, (_, __, c: string) => c.toUpperCase())}Backward`;
}

/** A declared pointwise op, ready to be called by the functions that users see. */
export class PointwiseOp implements Primitive<PointwiseAttrs> {
  readonly name: string;
  readonly nodeName: string;
  readonly spec: PointwiseSpec;
  readonly differentiable: boolean;
  readonly masks: readonly number[] = [];
  readonly view = "none";
  private readonly flat = new KernelCache<number>();
  private readonly plain: PointwiseAttrs[] = [];

  constructor(spec: PointwiseSpec) {
    this.name = spec.name;
    this.spec = spec;
    this.nodeName = spec.nodeName ?? nodeNameOf(spec.name);
    this.differentiable = spec.gradients !== undefined;
    // Without numbers among the operands, input numbers are operand numbers.
    this.masks = this.masksFor(new Array(spec.operands).fill(null));
    const none: null[] = new Array(spec.operands).fill(null);
    this.plain.push({ numbers: none, scalars: NO_SCALARS, variant: "", compute: null });
  }

  private masksFor(numbers: readonly (Scalar | null)[]): number[] {
    const inputOf: number[] = [];
    let next = 0;
    for (const n of numbers) inputOf.push(n === null ? next++ : -1);
    const masks: number[] = [];
    numbers.forEach((n, i) => {
      if (n !== null) return;
      let mask = 0;
      for (const save of this.spec.saves?.[i] ?? []) {
        if (save === "result") mask |= 1 << 20;
        else if (inputOf[save] >= 0) mask |= 1 << inputOf[save];
      }
      masks.push(mask);
    });
    return masks;
  }

  private readonly variants = new Map<string, Primitive<PointwiseAttrs>>();

  /** The op as dispatch sees it when some operands are numbers: the same, with other masks. */
  private primitiveFor(numbers: readonly (Scalar | null)[]): Primitive<PointwiseAttrs> {
    let key = "";
    let any = false;
    for (const n of numbers) {
      key += n === null ? "t" : "n";
      if (n !== null) any = true;
    }
    if (!any) return this;
    let found = this.variants.get(key);
    if (found === undefined) {
      found = Object.assign(Object.create(this), { masks: this.masksFor(numbers) }) as Primitive<PointwiseAttrs>;
      this.variants.set(key, found);
    }
    return found;
  }

  /** Calls the op on tensors and numbers. */
  call(operands: readonly Operand[], options: CallOptions = {}): Tensor {
    const { inputs, attrs } = this.split(operands, options);
    const op = this.primitiveFor(attrs.numbers);
    if (options.out) return this.into(options.out, dispatch(op, inputs, attrs));
    return dispatch(op, inputs, attrs);
  }

  /** Two tensors without options: the path whose overhead matters most. */
  call2(a: Tensor, b: Tensor): Tensor {
    return dispatch(this, [a, b], this.plain[0]);
  }

  call1(a: Tensor): Tensor {
    return dispatch(this, [a], this.plain[0]);
  }

  /** Calls the op with its result written over the first operand. */
  callInplace(operands: readonly Operand[], options: CallOptions = {}): Tensor {
    const { inputs, attrs } = this.split(operands, options);
    const self = inputs[0];
    const shape = this.broadcast(inputs);
    if (!sameShape(shape, self.sizes)) {
      throw new RuntimeError(
        `output with shape ${shapeText(self.sizes)} doesn't match the broadcast shape ${shapeText(shape)}`,
      );
    }
    const result = this.dtypes(inputs, attrs).result;
    requireCast(result, self.dtype);
    return dispatchInplace(this.primitiveFor(attrs.numbers), inputs, attrs);
  }

  private into(out: Tensor, result: Tensor): Tensor {
    requireCast(result.dtype, out.dtype);
    return out.copyResult_(result);
  }

  private split(operands: readonly Operand[], options: CallOptions): { inputs: Tensor[]; attrs: PointwiseAttrs } {
    const inputs: Tensor[] = [];
    const numbers: (Scalar | null)[] = [];
    for (let i = 0; i < operands.length; i++) {
      const x = operands[i];
      if (x instanceof Tensor) {
        inputs.push(x);
        numbers.push(null);
      } else if (isScalar(x)) numbers.push(x);
      else {
        throw new TypeError(`${this.name}(): argument ${i + 1} must be Tensor or Number, not ${describe(x)}`);
      }
    }
    return {
      inputs,
      attrs: {
        numbers,
        scalars: options.scalars ?? NO_SCALARS,
        variant: options.variant ?? "",
        compute: options.compute ?? null,
      },
    };
  }

  private broadcast(inputs: readonly Tensor[]): readonly number[] {
    let shape = inputs[0].sizes;
    for (let i = 1; i < inputs.length; i++) shape = broadcastShapes(shape, inputs[i].sizes);
    return shape;
  }

  /** The type computed in, and the type of the result. */
  private dtypes(inputs: readonly Tensor[], attrs: PointwiseAttrs): { compute: DType; result: DType } {
    let common: DType;
    if (attrs.compute !== null) common = attrs.compute;
    else if (inputs.length === attrs.numbers.length && allSameDType(inputs)) common = inputs[0].dtype;
    else common = resultType([...inputs, ...attrs.numbers.filter((n) => n !== null)]);
    const rule = this.spec.promote ?? "common";
    if (rule === "int_to_float" && !common.is_floating_point) common = dt.get_default_dtype();
    this.spec.check?.(common, this.name);
    return { compute: common, result: rule === "bool" ? dt.bool : common };
  }

  readonly compute = (inputs: readonly Tensor[], attrs: PointwiseAttrs, out: Tensor | null): Tensor => {
    if (attrs === this.plain[0] && inputs.length <= 2) {
      const fast = this.computeFlat(inputs[0], inputs.length === 2 ? inputs[1] : null, out);
      if (fast !== null) return fast;
    }
    const { compute, result } = this.dtypes(inputs, attrs);
    const shape = this.broadcast(inputs);
    const target = out ?? allocateLike(result, shape, inputs);
    const operands = inputs.map((t) => ({
      tensor: out !== null && t !== out && t.storage === out.storage ? disjoint(t, out) : t,
      outer: [] as number[],
      inner: [],
    }));
    for (const o of operands) o.outer = broadcastStrides(o.tensor.sizes, o.tensor.strides, shape);
    operands.push({ tensor: target, outer: target.strides as number[], inner: [] });
    const type = computeType(compute.name);
    const names = this.spec.scalars ?? [];
    const numbers = attrs.numbers.filter((n) => n !== null).map((n) => asNumber(n as Scalar));
    const scalars = [...numbers, ...names.map((name) => attrs.scalars[name])];
    runRow({
      name: this.name,
      key: `${this.name}:${attrs.variant}:${compute.id}:${attrs.numbers.map((n) => (n === null ? "t" : "n")).join("")}`,
      outer: shape,
      inner: [],
      operands,
      outputs: 1,
      scalars,
      scalarTypes: scalars.map(() => (type === "bool" ? "i32" : type)),
      build: (values, row, params) => row.store(inputs.length, this.element(values, params, attrs, compute, type)),
    });
    return target;
  };

  /** The element expression, from loaded values and scalar parameters. */
  private element(
    values: readonly Expr[],
    params: readonly Expr[],
    attrs: PointwiseAttrs,
    compute: DType,
    type: ComputeType,
  ): Expr {
    let nextValue = 0;
    let nextParam = 0;
    const operands = attrs.numbers.map((n) =>
      n === null ? values[nextValue++].cast(type) : params[nextParam++].cast(type),
    );
    const scalars: Record<string, Expr> = {};
    for (const name of this.spec.scalars ?? []) scalars[name] = params[nextParam++].cast(type);
    return this.spec
      .kernel(operands, scalars, { dtype: compute, variant: attrs.variant, type })
      .cast(this.spec.promote === "bool" ? "bool" : type);
  }

  /** Contiguous operands of one shape and dtype: no planning. Null where that is not so. */
  private computeFlat(a: Tensor, b: Tensor | null, out: Tensor | null): Tensor | null {
    if (!a.contiguousLayout) return null;
    if (b !== null && (!b.contiguousLayout || b.dtype !== a.dtype || !sameShape(a.sizes, b.sizes))) return null;
    const rule = this.spec.promote ?? "common";
    let compute = a.dtype;
    if (rule === "int_to_float" && !compute.is_floating_point) compute = dt.get_default_dtype();
    this.spec.check?.(compute, this.name);
    const result = rule === "bool" ? dt.bool : compute;
    if (
      out !== null &&
      (!out.contiguousLayout ||
        (out !== a && out.storage === a.storage) ||
        (b !== null && b !== a && b !== out && out.storage === b.storage))
    )
      return null;
    const target = out ?? allocate(result, a.sizes, a.strides);
    if (a.count === 0) return target;
    const key = (a.dtype.id * 16 + target.dtype.id) * 16 + (rule === "int_to_float" ? compute.id : 0);
    const kernel = this.flat.get(key, () => this.flatKernel(a, b, target, compute));
    launchFlat(kernel, a, b, target, a.count);
    return target;
  }

  private flatKernel(a: Tensor, b: Tensor | null, target: Tensor, compute: DType) {
    const type = computeType(compute.name);
    const n = param("i32", 0);
    const axis = new Axis("i", n);
    const inputs = b === null ? [a] : [a, b];
    const values = inputs.map((t, k) => load(computeType(t.dtype.name), k, axis.index));
    return {
      form: "row" as const,
      name: this.name,
      buffers: [...inputs, target].map((t, k) => ({
        dtype: t.dtype.name,
        access: k < inputs.length ? ("read" as const) : ("write" as const),
      })),
      params: ["i32" as const],
      outer: [axis],
      inner: [],
      stages: [
        {
          kind: "store" as const,
          over: "outer" as const,
          buffer: inputs.length,
          index: axis.index,
          value: this.element(values, [], this.plain[0], compute, type),
        },
      ],
    };
  }

  readonly gradient = (grads: readonly (Tensor | null)[], context: GradientContext<PointwiseAttrs>) => {
    const g = grads[0] as Tensor;
    const { numbers, scalars, variant } = context.attrs;
    const inputOf: number[] = [];
    let next = 0;
    for (const n of numbers) inputOf.push(n === null ? next++ : -1);
    const view: PointwiseContext = {
      operand: (i) => (numbers[i] === null ? context.input(inputOf[i]) : (numbers[i] as Scalar)),
      get result() {
        return context.output(0);
      },
      scalars,
      variant,
      shape: (i) => (numbers[i] === null ? context.shape(inputOf[i]) : []),
    };
    const out: (Tensor | null)[] = [];
    numbers.forEach((n, i) => {
      if (n !== null) return;
      const formula = this.spec.gradients?.[i] ?? null;
      out.push(formula !== null && context.needs(inputOf[i]) ? formula(g, view) : null);
    });
    return out;
  };
}

export interface CallOptions {
  readonly scalars?: Readonly<Record<string, number | bigint>>;
  readonly variant?: string;
  readonly compute?: DType | null;
  readonly out?: Tensor | null;
}

function allSameDType(inputs: readonly Tensor[]): boolean {
  for (let i = 1; i < inputs.length; i++) if (inputs[i].dtype !== inputs[0].dtype) return false;
  return true;
}

function asNumber(x: Scalar): number | bigint {
  return typeof x === "boolean" ? Number(x) : x;
}

/** PyTorch's error for results that do not fit the tensor they are written to. */
export function requireCast(from: DType, to: DType): void {
  if (!dt.can_cast(from, to)) {
    throw new RuntimeError(
      `result type ${legacyName(from)} can't be cast to the desired output type ${legacyName(to)}`,
    );
  }
}

/** `t` itself if it reads exactly the elements that `out` writes, else a copy made before they are overwritten. */
function disjoint(t: Tensor, out: Tensor): Tensor {
  if (t.offset === out.offset && sameShape(t.sizes, out.sizes) && sameShape(t.strides, out.strides)) return t;
  return t.detach().clone();
}

/**
 * A result with the memory layout PyTorch gives it: dimensions are ordered as in the operands, the first operand first,
 * so that the result of a transposed tensor is transposed too.
 */
export function allocateLike(dtype: DType, shape: readonly number[], inputs: readonly Tensor[]): Tensor {
  if (inputs.every((t) => t.contiguousLayout && (t.sizes.length === shape.length || t.count <= 1)))
    return allocate(dtype, shape);
  const strides = inputs.map((t) => broadcastStrides(t.sizes, t.strides, shape));
  const rank = shape.length;
  const order: number[] = Array.from({ length: rank }, (_, i) => rank - 1 - i); // fastest first
  // PyTorch's TensorIterator: insertion sort, swapping only where an operand's strides clearly say so.
  const shouldSwap = (a: number, b: number): number => {
    for (const s of strides) {
      if (s[a] === 0 || s[b] === 0) continue;
      if (s[a] < s[b]) return -1;
      if (s[a] > s[b]) return 1;
      if (shape[a] > shape[b]) return 1;
    }
    return 0;
  };
  for (let i = 1; i < rank; i++) {
    let at = i;
    for (let j = i - 1; j >= 0; j--) {
      const comparison = shouldSwap(order[j], order[at]);
      if (comparison > 0) {
        const t = order[j];
        order[j] = order[at];
        order[at] = t;
        at = j;
      } else if (comparison < 0) break;
    }
  }
  const out = new Array<number>(rank);
  let step = 1;
  for (const d of order) {
    out[d] = step;
    step *= shape[d] > 1 ? shape[d] : 1;
  }
  return sameShape(out, contiguousStrides(shape)) ? allocate(dtype, shape) : allocate(dtype, shape, out);
}
