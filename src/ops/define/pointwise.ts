/**
 * The pointwise kind: one element of each operand gives one element of the result, with broadcasting and type
 * promotion. `unary` and `binary` (in their own files) are its usual forms.
 */
import { defaultInputNames } from "../../autograd/saved-attributes.ts";
import {
  type BatchedCall,
  dispatch,
  dispatchInplace,
  dispatchOut,
  type GradientContext,
  type Primitive,
} from "../../dispatch.ts";
import type { DType } from "../../dtype.ts";
import * as dt from "../../dtype.ts";
import { RuntimeError } from "../../errors.ts";
import { Axis, type ComputeType, computeType, constant, type Expr, load, param } from "../../ir/expr.ts";
import type { RowKernel } from "../../ir/kernel.ts";
import { broadcastShapes, broadcastStrides, describe, type Shape, sameShape, shapeText } from "../../shape.ts";
import { Storage } from "../../storage/storage.ts";
import { Tensor } from "../../tensor.ts";
import { KernelCache, launchFlat } from "../launch.ts";
import { runRow } from "../row.ts";
import { again, withRank } from "./batch.ts";
import { allocateLike, disjoint } from "./layout.ts";
import { intoOut, requireCast } from "./out.ts";
import { isScalar, type Operand, resultType, type Scalar } from "./promote.ts";

/**
 * How the result's dtype follows from the operands' common type:
 * "common": that type. "int_to_float": the default float type for integers and bool. "bool": bool, computed in the
 * common type.
 */
export type PromoteRule = "common" | "int_to_float" | "bool";

/** Named numbers of an op, such as `alpha`. */
export type Scalars = Readonly<Record<string, number | bigint>>;

/** Attributes of a pointwise call: the operands that are numbers, and named parameters. */
export interface PointwiseAttrs {
  /** For each operand: its number, or null where it is the next tensor. */
  readonly numbers: readonly (Scalar | null)[];
  /** Named scalars such as `alpha`; the op's own object where all have their default. */
  readonly scalars: Scalars;
  /** What else the kernel depends on. */
  readonly variant: string;
  /** Overrides the common type (for `dtype` arguments and for kernels that compute elsewhere). */
  readonly compute: DType | null;
}

/** The gradient of one operand from that of the result. */
export type GradientFormula = (g: Tensor, context: PointwiseContext) => Tensor | null;

/** What a pointwise gradient formula sees. Operand numbers count numbers and tensors alike. */
export interface PointwiseContext {
  operand(i: number): Operand;
  /** Operand `i`, which is a tensor. */
  tensor(i: number): Tensor;
  readonly result: Tensor;
  readonly scalars: Scalars;
  readonly variant: string;
  shape(i: number): Shape;
}

export interface KernelInfo {
  /** The common type of the operands, and what it is computed in. */
  readonly dtype: DType;
  readonly type: ComputeType;
  readonly variant: string;
}

export interface PointwiseSpec {
  readonly name: string;
  /** How many operands. */
  readonly operands: number;
  /** PyTorch's names of them. Default: `self`, `other`. */
  readonly operandNames?: readonly string[];
  readonly promote?: PromoteRule;
  /** Operands that take no part in promotion; the kernel gets them in the compute type of their own dtype. */
  readonly raw?: readonly number[];
  /** Named scalars with their defaults. The kernel gets them as expressions of the compute type. */
  readonly scalars?: Scalars;
  /** Element expression. Operands have the compute type of the common dtype. */
  readonly kernel: (operands: readonly Expr[], scalars: Readonly<Record<string, Expr>>, info: KernelInfo) => Expr;
  /** Gradient of each operand; null where it has none. Absent: the op is not differentiable. */
  readonly gradients?: readonly (GradientFormula | null)[];
  /** For the gradient of each operand: which operands it uses, and "result" for the result. */
  readonly saves?: readonly (readonly (number | "result")[])[];
  /** Throws for dtypes that PyTorch refuses. */
  readonly check?: (common: DType, name: string) => void;
  /** Throws for calls that PyTorch refuses for another reason, such as a divisor of 0, before anything is written. */
  readonly guard?: (inputs: readonly Tensor[], attrs: PointwiseAttrs, common: DType) => void;
  /** May be written to a tensor several of whose elements are one, since the result is the same everywhere. */
  readonly allowsOverlap?: boolean;
  /** PyTorch keeps a number among the operands for backward, which then runs once only. */
  readonly keepsNumbers?: boolean;
  /** PyTorch's node name if it is not the capitalized op name with `Backward`. */
  readonly nodeName?: string;
  /** PyTorch's number of the overload, where it depends on which operands are numbers: `PowBackward1` for two tensors. */
  readonly overload?: (isNumber: readonly boolean[]) => number;
}

function operandNames(spec: PointwiseSpec): readonly string[] {
  return spec.operandNames ?? defaultInputNames(spec.operands);
}

const NO_SCALARS: Scalars = Object.freeze({});

/** `masked_fill` → `MaskedFillBackward`. */
export function nodeNameOf(name: string): string {
  const trimmed = name.replace(/^_+/, "");
  return `${trimmed.replace(/(^|_)([a-z])/g, (_, __, c: string) => c.toUpperCase())}Backward`;
}

/** A declared pointwise op, ready to be called by the functions that users see. */
export class PointwiseOp {
  readonly spec: PointwiseSpec;
  /** The scalars' defaults: the very object that attributes hold when no other were given. */
  readonly defaults: Scalars;
  private readonly plainAttrs: PointwiseAttrs;
  private readonly plain: PointwiseForm;
  /** The second of two operands is a number. */
  private readonly rightNumber: PointwiseForm;
  private readonly forms = new Map<string, PointwiseForm>();

  constructor(spec: PointwiseSpec) {
    this.spec = spec;
    this.defaults = Object.freeze(spec.scalars ?? NO_SCALARS);
    const none: null[] = new Array(spec.operands).fill(null);
    this.plainAttrs = { numbers: none, scalars: this.defaults, variant: "", compute: null };
    this.plain = this.form(none, "");
    this.rightNumber = this.form([null, 0], "");
  }

  /** The op as dispatch sees it for one pattern of tensors and numbers, and one variant. */
  private form(numbers: readonly (Scalar | null)[], variant: string): PointwiseForm {
    let key = variant;
    for (const n of numbers) key += n === null ? "|t" : "|n";
    let found = this.forms.get(key);
    if (found === undefined) {
      found = new PointwiseForm(
        this,
        numbers.map((n) => n !== null),
        key,
      );
      this.forms.set(key, found);
    }
    return found;
  }

  /** One tensor without options. */
  call1(a: Tensor): Tensor {
    return dispatch(this.plain, [a], this.plainAttrs);
  }

  /** Two tensors without options: the path whose overhead matters most. */
  call2(a: Tensor, b: Tensor): Tensor {
    return dispatch(this.plain, [a, b], this.plainAttrs);
  }

  /** A tensor and a number without options. */
  callNumber(a: Tensor, b: Scalar): Tensor {
    return dispatch(this.rightNumber, [a], this.numberAttrs(b));
  }

  private numberAttrs(b: Scalar): PointwiseAttrs {
    return { numbers: [null, b], scalars: this.defaults, variant: "", compute: null };
  }

  /** Calls the op on tensors and numbers. */
  call(operands: readonly Operand[], options: CallOptions = {}): Tensor {
    const { inputs, attrs } = this.split(operands, options);
    const form = this.form(attrs.numbers, attrs.variant);
    const out = options.out ?? null;
    if (out !== null && form.fills(out, inputs, attrs) && dispatchOut(form, inputs, attrs, out)) return out;
    return intoOut(out, dispatch(form, inputs, attrs));
  }

  callInplace1(a: Tensor): Tensor {
    return this.overwrite(this.plain, [a], this.plainAttrs);
  }
  callInplace2(a: Tensor, b: Tensor): Tensor {
    return this.overwrite(this.plain, [a, b], this.plainAttrs);
  }
  callInplaceNumber(a: Tensor, b: Scalar): Tensor {
    return this.overwrite(this.rightNumber, [a], this.numberAttrs(b));
  }

  /** Calls the op with its result written over the first operand. */
  callInplace(operands: readonly Operand[], options: CallOptions = {}): Tensor {
    const { inputs, attrs } = this.split(operands, options);
    return this.overwrite(this.form(attrs.numbers, attrs.variant), inputs, attrs);
  }

  private overwrite(form: PointwiseForm, inputs: readonly Tensor[], attrs: PointwiseAttrs): Tensor {
    const self = inputs[0];
    if (inputs.length > 1) {
      const shape = broadcastAll(inputs);
      if (!sameShape(shape, self.sizes)) {
        throw new RuntimeError(
          `output with shape ${shapeText(self.sizes)} doesn't match the broadcast shape ${shapeText(shape)}`,
        );
      }
    }
    requireCast(form.resultType(form.commonType(inputs, attrs)), self.dtype);
    return dispatchInplace(form, inputs, attrs);
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
        throw new TypeError(`${this.spec.name}(): argument ${i + 1} must be Tensor or Number, not ${describe(x)}`);
      }
    }
    const scalars = options.scalars === undefined ? this.defaults : this.scalarsOf(options.scalars);
    return { inputs, attrs: { numbers, scalars, variant: options.variant ?? "", compute: options.compute ?? null } };
  }

  private scalarsOf(given: Scalars): Scalars {
    for (const name in this.defaults) if (given[name] !== this.defaults[name]) return given;
    return this.defaults;
  }
}

export interface CallOptions {
  readonly scalars?: Scalars;
  readonly variant?: string;
  readonly compute?: DType | null;
  readonly out?: Tensor | null;
}

/** A pointwise op for one pattern of tensors and numbers among its operands, and one variant of its kernel. */
class PointwiseForm implements Primitive<PointwiseAttrs> {
  readonly name: string;
  readonly nodeName: string;
  readonly differentiable: boolean;
  readonly masks: readonly number[];
  readonly view = "none";
  readonly forward = "pointwise";
  readonly inputNames: readonly string[];
  readonly elementwise = true;
  readonly numberEdges: number;
  readonly allowsOverlap: boolean;
  readonly runsOnce: boolean;
  private readonly spec: PointwiseSpec;
  private readonly defaults: Scalars;
  /** For each operand which input it is; -1 for numbers. */
  readonly inputOf: readonly number[];
  private readonly numberCount: number;
  private readonly key: string;
  private readonly flat = new KernelCache<number>();

  constructor(op: PointwiseOp, isNumber: readonly boolean[], key: string) {
    const { spec } = op;
    this.spec = spec;
    this.defaults = op.defaults;
    this.name = spec.name;
    this.nodeName = (spec.nodeName ?? nodeNameOf(spec.name)) + (spec.overload?.(isNumber) ?? "");
    // Where an op has no overload of its own for numbers, PyTorch makes tensors of them.
    this.numberEdges = spec.overload === undefined && spec.operands === 2 && isNumber[1] && !isNumber[0] ? 1 : 0;
    const names = operandNames(spec);
    this.inputNames = names.filter((_, i) => !isNumber[i]);
    this.allowsOverlap = spec.allowsOverlap === true;
    this.runsOnce = spec.keepsNumbers === true && isNumber.includes(true);
    this.differentiable = spec.gradients !== undefined;
    this.key = `${spec.name}:${key}`;
    let next = 0;
    this.inputOf = isNumber.map((n) => (n ? -1 : next++));
    this.numberCount = isNumber.length - next;
    const masks: number[] = [];
    isNumber.forEach((n, i) => {
      if (n) return;
      let mask = 0;
      for (const save of spec.saves?.[i] ?? []) {
        if (save === "result") mask |= 1 << 20;
        else if (this.inputOf[save] >= 0) mask |= 1 << this.inputOf[save];
      }
      masks.push(mask);
    });
    this.masks = masks;
  }

  /** The type computed in. */
  commonType(inputs: readonly Tensor[], attrs: PointwiseAttrs): DType {
    let common: DType;
    const first = inputs[0].dtype;
    if (attrs.compute !== null) common = attrs.compute;
    else if (this.spec.raw !== undefined) common = resultType(this.promoted(inputs, attrs));
    else if (this.numberCount === 0 && allSameDType(inputs)) common = first;
    else if (this.numberCount === 1 && inputs.length === 1 && fits(attrs.numbers, first)) common = first;
    else common = resultType(this.promoted(inputs, attrs));
    if (this.spec.promote === "int_to_float" && common.category !== dt.FLOATING) common = dt.get_default_dtype();
    return common;
  }

  private promoted(inputs: readonly Tensor[], attrs: PointwiseAttrs): Operand[] {
    const list: Operand[] = [];
    this.inputOf.forEach((input, i) => {
      if (!this.spec.raw?.includes(i)) list.push(input < 0 ? (attrs.numbers[i] as Scalar) : inputs[input]);
    });
    return list;
  }

  resultType(common: DType): DType {
    return this.spec.promote === "bool" ? dt.bool : common;
  }

  /** Whether a result can be computed in place in `out`: it has the result's dtype and shape, and nothing is recorded. */
  fills(out: Tensor, inputs: readonly Tensor[], attrs: PointwiseAttrs): boolean {
    if (out.requires_grad) return false;
    for (let i = 0; i < inputs.length; i++) if (inputs[i].requires_grad) return false;
    return this.resultType(this.commonType(inputs, attrs)) === out.dtype && sameShape(broadcastAll(inputs), out.sizes);
  }

  compute(inputs: readonly Tensor[], attrs: PointwiseAttrs, out: Tensor | null): Tensor {
    const { spec } = this;
    const common = this.commonType(inputs, attrs);
    if (spec.check !== undefined) spec.check(common, spec.name);
    if (spec.guard !== undefined) spec.guard(inputs, attrs, common);
    return this.computeFlat(inputs, attrs, common, out) ?? this.computeRow(inputs, attrs, common, out);
  }

  /** Contiguous operands of one shape: no planning. Null where that is not so. */
  private computeFlat(
    inputs: readonly Tensor[],
    attrs: PointwiseAttrs,
    common: DType,
    out: Tensor | null,
  ): Tensor | null {
    const n = inputs.length;
    if (n > 4) return null;
    const first = inputs[0];
    if (!first.contiguousLayout) return null;
    let key = first.dtype.id;
    for (let i = 1; i < n; i++) {
      const t = inputs[i];
      if (!t.contiguousLayout || !sameShape(first.sizes, t.sizes)) return null;
      key = key * 16 + t.dtype.id;
    }
    let target: Tensor;
    if (out === null) {
      const result = this.resultType(common);
      const storage = new Storage(first.count * result.itemsize);
      target = new Tensor(storage, result, first.sizes, first.strides, 0, true);
    } else {
      target = out;
      if (!out.contiguousLayout || !sameShape(first.sizes, out.sizes)) return null;
      for (let i = 0; i < n; i++) if (disjoint(inputs[i], out) !== inputs[i]) return null;
    }
    if (first.count === 0) return target;
    const fixed = attrs.scalars === this.defaults;
    key = ((key * 16 + target.dtype.id) * 16 + common.id) * 2 + (fixed ? 0 : 1);
    const kernel = this.flat.find(key) ?? this.flat.add(key, this.flatKernel(inputs, target, common, attrs, fixed));
    const scalars = this.numberCount === 0 && fixed ? null : this.scalarValues(attrs, common, fixed);
    launchFlat(kernel, inputs, target, first.count, scalars);
    return target;
  }

  /** The values of the parameters: operands that are numbers, then named scalars unless they are compiled in. */
  private scalarValues(attrs: PointwiseAttrs, common: DType, fixed: boolean): (number | bigint)[] {
    const values: (number | bigint)[] = [];
    for (const n of attrs.numbers) if (n !== null) values.push(wrapped(n, common));
    if (!fixed) for (const name in this.defaults) values.push(attrs.scalars[name]);
    return values;
  }

  private flatKernel(
    inputs: readonly Tensor[],
    target: Tensor,
    common: DType,
    attrs: PointwiseAttrs,
    fixed: boolean,
  ): RowKernel {
    const type = computeType(common.name);
    const axis = new Axis("i", param("i32", 0));
    const values = inputs.map((t, k) => load(computeType(t.dtype.name), k, axis.index));
    const types = this.scalarTypes(type, fixed);
    const params = types.map((t, k) => param(t, 1 + k));
    return {
      form: "row",
      name: this.name,
      buffers: [...inputs, target].map((t, k) => ({
        dtype: t.dtype.name,
        access: k < inputs.length ? "read" : "write",
      })),
      params: ["i32", ...types],
      outer: [axis],
      inner: [],
      stages: [
        {
          kind: "store",
          over: "outer",
          buffer: inputs.length,
          index: axis.index,
          value: this.element(values, params, attrs.variant, common, type, target.dtype),
        },
      ],
    };
  }

  private scalarTypes(type: ComputeType, fixed: boolean): ComputeType[] {
    const count = this.numberCount + (fixed ? 0 : Object.keys(this.defaults).length);
    return new Array<ComputeType>(count).fill(type === "bool" ? "i32" : type);
  }

  /** The element expression, from loaded values and scalar parameters. */
  private element(
    values: readonly Expr[],
    params: readonly Expr[],
    variant: string,
    common: DType,
    type: ComputeType,
    target: DType,
  ): Expr {
    let next = 0;
    const operands = this.inputOf.map((input, i) => {
      if (input < 0) return params[next++].cast(type);
      return this.spec.raw?.includes(i) ? values[input] : values[input].cast(type);
    });
    const scalars: Record<string, Expr> = {};
    for (const name in this.defaults) {
      scalars[name] = next < params.length ? params[next++].cast(type) : constant(type, this.defaults[name]);
    }
    const value = this.spec.kernel(operands, scalars, { dtype: common, variant, type });
    return value.cast(this.spec.promote === "bool" ? "bool" : type).cast(computeType(target.name));
  }

  /** Operands of any layout. */
  private computeRow(inputs: readonly Tensor[], attrs: PointwiseAttrs, common: DType, out: Tensor | null): Tensor {
    const shape = broadcastAll(inputs);
    const target = out ?? allocateLike(this.resultType(common), shape, inputs);
    const operands = inputs.map((t) => {
      const tensor = out === null ? t : disjoint(t, out);
      return { tensor, outer: broadcastStrides(tensor.sizes, tensor.strides, shape), inner: [] as number[] };
    });
    operands.push({ tensor: target, outer: target.strides as number[], inner: [] });
    const type = computeType(common.name);
    const fixed = attrs.scalars === this.defaults;
    runRow({
      name: this.name,
      key: `${this.key}:${common.id}${fixed ? "" : "s"}`,
      outer: shape,
      inner: [],
      operands,
      outputs: 1,
      scalars: this.scalarValues(attrs, common, fixed),
      scalarTypes: this.scalarTypes(type, fixed),
      build: (values, row, params) =>
        row.store(inputs.length, this.element(values, params, attrs.variant, common, type, target.dtype)),
    });
    return target;
  }

  savedAttributes(attrs: PointwiseAttrs): Record<string, unknown> {
    const shown: Record<string, unknown> = {};
    attrs.numbers.forEach((number, i) => {
      if (number !== null) shown[operandNames(this.spec)[i]] = number;
    });
    return Object.assign(shown, attrs.scalars);
  }

  /** Samples go along as a further broadcast dimension. */
  batch(call: BatchedCall<PointwiseAttrs>): Tensor | Tensor[] {
    const { inputs, values, batched, attrs } = call;
    let rank = 0;
    for (let i = 0; i < inputs.length; i++) rank = Math.max(rank, inputs[i].sizes.length);
    const aligned = values.map((t, i) => (batched[i] ? withRank(t, rank + 1) : t));
    if (allSameDType(inputs)) return again(call, attrs, aligned);
    // A sample without dimensions counts as a number in promotion, a batch of them does not.
    return again(call, { ...attrs, compute: this.commonType(inputs, attrs) }, aligned);
  }

  gradient(grads: readonly (Tensor | null)[], context: GradientContext<PointwiseAttrs>): (Tensor | null)[] {
    const g = grads[0] as Tensor;
    const formulas = this.spec.gradients;
    const view = new FormulaContext(this, context);
    const out: (Tensor | null)[] = [];
    for (let i = 0; i < this.inputOf.length; i++) {
      const input = this.inputOf[i];
      if (input < 0) continue;
      const formula = formulas === undefined ? noGradient : formulas[i];
      out.push(formula !== null && context.needs(input) ? formula(g, view) : null);
    }
    return out;
  }
}

/** In place, also what has no gradient is recorded: what was overwritten has the gradient 0. */
const noGradient = (g: Tensor): Tensor => g.new_zeros(g.sizes);

class FormulaContext implements PointwiseContext {
  private readonly form: PointwiseForm;
  private readonly context: GradientContext<PointwiseAttrs>;
  constructor(form: PointwiseForm, context: GradientContext<PointwiseAttrs>) {
    this.form = form;
    this.context = context;
  }
  operand(i: number): Operand {
    const input = this.form.inputOf[i];
    return input < 0 ? (this.context.attrs.numbers[i] as Scalar) : this.context.input(input);
  }
  tensor(i: number): Tensor {
    return this.context.input(this.form.inputOf[i]);
  }
  get result(): Tensor {
    return this.context.output(0);
  }
  get scalars(): Scalars {
    return this.context.attrs.scalars;
  }
  get variant(): string {
    return this.context.attrs.variant;
  }
  shape(i: number): Shape {
    const input = this.form.inputOf[i];
    return input < 0 ? [] : this.context.shape(input);
  }
}

function broadcastAll(inputs: readonly Tensor[]): Shape {
  let shape = inputs[0].sizes;
  for (let i = 1; i < inputs.length; i++) shape = broadcastShapes(shape, inputs[i].sizes);
  return shape;
}

function allSameDType(inputs: readonly Tensor[]): boolean {
  for (let i = 1; i < inputs.length; i++) if (inputs[i].dtype !== inputs[0].dtype) return false;
  return true;
}

/** Whether the only number is of no higher category than `dtype`. */
function fits(numbers: readonly (Scalar | null)[], dtype: DType): boolean {
  if (dtype.category === dt.FLOATING) return true;
  const n = numbers[0] ?? numbers[1];
  return typeof n === "boolean" || (dtype.category === dt.INTEGRAL && (typeof n === "bigint" || Number.isInteger(n)));
}

/** A number as an element of `dtype`: narrow integers wrap. */
function wrapped(x: Scalar, dtype: DType): number | bigint {
  const n = typeof x === "boolean" ? Number(x) : x;
  if (dtype.category !== dt.INTEGRAL || dtype.itemsize > 2) return n;
  const bits = dtype.itemsize * 8;
  return Number(dtype.is_signed ? BigInt.asIntN(bits, BigInt(n)) : BigInt.asUintN(bits, BigInt(n)));
}
