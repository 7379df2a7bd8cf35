/** Products added to a tensor: `beta * input + alpha * (a · b)`, in one kernel. */
import { wantsDerivative } from "../autograd/wants-derivative.ts";
import { type BatchedCall, dispatch, dispatchInplace, type Primitive } from "../dispatch.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import type { Expr } from "../ir/expr.ts";
import { broadcastShapes, broadcastStrides, type Shape, sameShape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { gelu } from "./activations.ts";
import { copyInto } from "./copy.ts";
import { withRank } from "./define/batch.ts";
import { type ContractionOperand, contract } from "./define/contraction.ts";
import { computeInto, intoOut } from "./define/out.ts";
import { type PrimitiveSpec, toPrimitive } from "./define/primitive.ts";
import { resultType } from "./define/promote.ts";
import { bind } from "./define/schema.ts";
import { wholeNumbersHint } from "./kernels/guards.ts";
import { checkMatrixVector, gradientOfSecond, isTransposed, refuseBool } from "./matmul-rules.ts";
import { allocate } from "./row.ts";

/** Factors of the input (`beta`) and of the product (`alpha`), both 1 by default. With `beta` 0 the input is not read. */
export interface AddProductOptions {
  readonly beta?: number | bigint;
  readonly alpha?: number | bigint;
  readonly out?: Tensor;
}

interface Factors {
  readonly beta: number | bigint;
  readonly alpha: number | bigint;
  /** Negative results become 0. */
  readonly relu?: boolean;
  /** The second matrix lies column by column, and so does its gradient. */
  readonly transposed?: boolean;
}

interface Layout {
  readonly sizes: Shape;
  readonly groups: { readonly batch: Shape; readonly m: Shape; readonly n: Shape; readonly k: Shape };
  readonly a: Omit<ContractionOperand, "tensor">;
  readonly b: Omit<ContractionOperand, "tensor">;
}

/** Splits strides of the result's shape into its groups. */
function resultOperand(tensor: Tensor, strides: Shape, layout: Layout): ContractionOperand {
  const batch = layout.groups.batch.length;
  const m = layout.groups.m.length;
  return {
    tensor,
    batch: strides.slice(0, batch),
    m: strides.slice(batch, batch + m),
    n: strides.slice(batch + m),
  };
}

function addProduct(
  name: string,
  inputs: readonly Tensor[],
  { beta, alpha, relu = false }: Factors,
  layout: Layout,
  target: Tensor | null = null,
): Tensor {
  const [self, a, b] = inputs;
  const out = target ?? allocate(self.dtype, layout.sizes);
  if (out.count === 0) return out;
  const withInput = Number(beta) !== 0;
  const plain = Number(beta) === 1 && Number(alpha) === 1;
  const form = plain ? ":1" : withInput ? ":b" : ":0";
  const value = (sum: Expr, [x]: readonly Expr[], scalars: readonly Expr[]): Expr =>
    plain ? sum.add(x) : withInput ? sum.mul(scalars[1]).add(x.mul(scalars[0])) : sum.mul(scalars[1]);
  contract({
    name,
    key: relu ? `${form}r` : form,
    sizes: layout.groups,
    a: { tensor: a, ...layout.a },
    b: { tensor: b, ...layout.b },
    extra: withInput ? [resultOperand(self, broadcastStrides(self.sizes, self.strides, layout.sizes), layout)] : [],
    out: resultOperand(out, out.strides, layout),
    scalars: plain ? [] : [beta, alpha],
    epilogue: relu ? (sum, extra, scalars) => value(sum, extra, scalars).max(0) : value,
  });
  return out;
}

/**
 * An op that, called in place, computes into a new tensor where the factors share memory with the target. The tensor that
 * the product is added to may be the target: each element is read before it is written.
 */
function inplaceable<A>(spec: PrimitiveSpec<A>): Primitive<A> {
  return toPrimitive<A>({
    ...spec,
    compute: (inputs, attrs, out) => {
      if (out && inputs.every((t, i) => (i === 0 && t === out) || t.storage !== out.storage))
        return spec.compute(inputs, attrs, out);
      const result = spec.compute(inputs, attrs) as Tensor;
      if (!out) return result;
      copyInto(out, result);
      return out;
    },
  });
}

const scaled = (g: Tensor, factor: number | bigint): Tensor => (Number(factor) === 1 ? g : g.mul(factor));

const addmmOp: Primitive<Factors> = inplaceable<Factors>({
  name: "addmm",
  inputNames: ["self", "mat1", "mat2"],
  batch: (call) => {
    const { attrs, batched, form, inputs, size, values } = call;
    const [self, a, b] = values;
    const row = inputs[0].sizes.length < 2 || inputs[0].sizes[0] === 1;
    if (form !== "one" || batched[2] || batched[0] || !row) return addedStacks(call, 2, [self, a, b]);
    // One layer for all samples: one taller matrix.
    const [m, k] = inputs[1].sizes;
    return dispatch(addmmOp, [self, a.reshape([size * m, k]), b], attrs).view([size, m, b.sizes[1]]);
  },
  compute: (inputs, factors, target) => {
    const [, a, b] = inputs;
    const [m, k] = a.sizes;
    const n = b.sizes[1];
    return addProduct(
      "addmm",
      inputs,
      factors,
      {
        sizes: [m, n],
        groups: { batch: [], m: [m], n: [n], k: [k] },
        a: { m: [a.strides[0]], k: [a.strides[1]] },
        b: { k: [b.strides[0]], n: [b.strides[1]] },
      },
      target,
    );
  },
  gradient: (g, c) => {
    const { alpha, beta } = c.attrs;
    return [
      c.needs(0) ? scaled(g, beta) : null,
      c.needs(1) ? scaled(g.mm(c.input(2).t()), alpha) : null,
      c.needs(2) ? scaled(gradientOfSecond(c.input(1), g, c.attrs.transposed === true), alpha) : null,
    ];
  },
  saves: [[], [2], [1]],
});

const addmvOp = inplaceable<Factors>({
  name: "addmv",
  inputNames: ["self", "mat", "vec"],
  batch: (call) => {
    const [self, a, x] = call.values;
    const column = (call.batched[0] ? withRank(self, 2) : self).unsqueeze(-1);
    return addedStacks(call, 2, [column, a, x.unsqueeze(-1)]).squeeze(-1);
  },
  compute: (inputs, factors, target) => {
    const [, a, x] = inputs;
    const [m, k] = a.sizes;
    return addProduct(
      "addmv",
      inputs,
      factors,
      {
        sizes: [m],
        groups: { batch: [], m: [m], n: [], k: [k] },
        a: { m: [a.strides[0]], k: [a.strides[1]] },
        b: { k: [x.strides[0]], n: [] },
      },
      target,
    );
  },
  gradient: (g, c) => [
    c.needs(0) ? scaled(g, c.attrs.beta) : null,
    c.needs(1) ? scaled(g.unsqueeze(1).mul(c.input(2)), c.attrs.alpha) : null,
    c.needs(2) ? scaled(c.input(1).t().mv(g), c.attrs.alpha) : null,
  ],
  saves: [[], [2], [1]],
});

/** `addbmm` sums over the batch too: it is one more summed index. */
const addbmmOp = inplaceable<Factors>({
  name: "addbmm",
  batch: (call) => {
    const [self, a, b] = call.values;
    // The sum over the stack is one more part of the sum of products.
    const wide = a.transpose(-3, -2).flatten(-2);
    return addedStacks(call, 2, [self, wide, b.flatten(-3, -2)]);
  },
  compute: (inputs, factors, target) => {
    const [, a, b] = inputs;
    const [batch, m, k] = a.sizes;
    const n = b.sizes[2];
    return addProduct(
      "addbmm",
      inputs,
      factors,
      {
        sizes: [m, n],
        groups: { batch: [], m: [m], n: [n], k: [batch, k] },
        a: { m: [a.strides[1]], k: [a.strides[0], a.strides[2]] },
        b: { k: [b.strides[0], b.strides[1]], n: [b.strides[2]] },
      },
      target,
    );
  },
  gradient: (g, c) => {
    const [batch, m] = c.shape(1);
    const n = c.shape(2)[2];
    const each = c.needs(1) || c.needs(2) ? scaled(g, c.attrs.alpha).unsqueeze(0).expand(batch, m, n) : g;
    return [
      c.needs(0) ? scaled(g, c.attrs.beta) : null,
      c.needs(1) ? each.bmm(c.input(2).transpose(1, 2)) : null,
      c.needs(2) ? c.input(1).transpose(1, 2).bmm(each) : null,
    ];
  },
  saves: [[], [2], [1]],
});

const stackProduct = (a: Tensor, b: Tensor): Tensor => (a.sizes.length === 3 ? a.bmm(b) : a.matmul(b));

/** A product added for each sample. A sample of the inputs has at most `rank` dimensions; the factors have them all. */
function addedStacks(call: BatchedCall<Factors>, rank: number, [self, a, b]: readonly Tensor[]): Tensor {
  const { attrs, batched, form, size } = call;
  const all = (t: Tensor, has: boolean): Tensor => (has ? t : t.unsqueeze(0).expand(size, ...t.sizes));
  const inputs = [batched[0] ? withRank(self, rank + 1) : self, all(a, batched[1]), all(b, batched[2])];
  return form === "inplace" ? dispatchInplace(baddbmmOp, inputs, attrs) : dispatch(baddbmmOp, inputs, attrs);
}

/** The same for each matrix of a stack; stacks of stacks are for torch.vmap. */
const baddbmmOp: Primitive<Factors> = inplaceable<Factors>({
  name: "baddbmm",
  inputNames: ["self", "batch1", "batch2"],
  batch: (call) => addedStacks(call, 3, call.values),
  compute: (inputs, factors, target) => {
    const [, a, b] = inputs;
    const batch = a.sizes.slice(0, -2);
    const [m, k] = a.sizes.slice(-2);
    const n = b.sizes[b.sizes.length - 1];
    const [am, ak] = a.strides.slice(-2);
    const [bk, bn] = b.strides.slice(-2);
    return addProduct(
      "baddbmm",
      inputs,
      factors,
      {
        sizes: [...batch, m, n],
        groups: { batch, m: [m], n: [n], k: [k] },
        a: { batch: a.strides.slice(0, -2), m: [am], k: [ak] },
        b: { batch: b.strides.slice(0, -2), k: [bk], n: [bn] },
      },
      target,
    );
  },
  gradient: (g, c) => [
    c.needs(0) ? scaled(g, c.attrs.beta) : null,
    c.needs(1) ? scaled(stackProduct(g, c.input(2).transpose(-2, -1)), c.attrs.alpha) : null,
    c.needs(2) ? scaled(stackProduct(c.input(1).transpose(-2, -1), g), c.attrs.alpha) : null,
  ],
  saves: [[], [2], [1]],
});

interface Bound {
  readonly inputs: Tensor[];
  readonly factors: Factors;
  readonly out: Tensor | null;
}

function bindProduct(name: string, [first, second]: readonly [string, string], args: readonly unknown[]): Bound {
  const [self, a, b, beta, alpha, out] = bind(
    `${name}(Tensor self, Tensor ${first}, Tensor ${second}, *, Scalar beta=1, Scalar alpha=1, Tensor? out=None)`,
    args,
  ) as [Tensor, Tensor, Tensor, number | bigint | boolean, number | bigint | boolean, Tensor | null];
  const number = (x: number | bigint | boolean): number | bigint => (typeof x === "boolean" ? Number(x) : x);
  return { inputs: [self, a, b], factors: { beta: number(beta), alpha: number(alpha) }, out };
}

function run(op: Primitive<Factors>, { inputs, factors, out }: Bound, sizes: Shape, inplace: boolean): Tensor {
  const [self] = inputs;
  if (inplace) {
    if (!sameShape(self.sizes, sizes)) {
      throw new RuntimeError(
        `output with shape ${shapeText(self.sizes)} doesn't match the broadcast shape ${shapeText(sizes)}`,
      );
    }
    return dispatchInplace(op, inputs, factors);
  }
  return computeInto(op, inputs, factors, out, sizes);
}

/** Throws unless `self` broadcasts to `sizes`. */
function requireExpandable(self: Tensor, sizes: Shape): void {
  const lead = sizes.length - self.sizes.length;
  if (lead < 0) {
    throw new RuntimeError(
      `expand(torch.${dt.scalarTypeName(self.dtype)}Tensor{${shapeText(self.sizes)}}, size=${shapeText(sizes)}): the number of sizes provided (${sizes.length}) must be greater or equal to the number of dimensions in the tensor (${self.sizes.length})`,
    );
  }
  for (let d = sizes.length - 1; d >= lead; d--) {
    const own = self.sizes[d - lead];
    if (own !== sizes[d] && own !== 1) {
      throw new RuntimeError(
        `The expanded size of the tensor (${sizes[d]}) must match the existing size (${own}) at non-singleton dimension ${d}.  Target sizes: ${shapeText(sizes)}.  Tensor sizes: ${shapeText(self.sizes)}`,
      );
    }
  }
}

function callAddmm(name: string, args: readonly unknown[], inplace: boolean, relu = false): Tensor {
  let bound = bindProduct(name, ["mat1", "mat2"], args);
  if (relu) bound = { ...bound, factors: { ...bound.factors, relu } };
  const [self, a, b] = bound.inputs;
  if (a.sizes.length !== 2) throw new RuntimeError(`mat1 must be a matrix, got ${a.sizes.length}-D tensor`);
  if (b.sizes.length !== 2) throw new RuntimeError(`mat2 must be a matrix, got ${b.sizes.length}-D tensor`);
  if (a.sizes[1] !== b.sizes[0]) {
    throw new RuntimeError(`mat1 and mat2 shapes cannot be multiplied (${a.sizes.join("x")} and ${b.sizes.join("x")})`);
  }
  const sizes = [a.sizes[0], b.sizes[1]];
  requireExpandable(self, sizes);
  if (a.dtype !== b.dtype) {
    throw new RuntimeError(
      `mat1 and mat2 must have the same dtype, but got ${dt.scalarTypeName(a.dtype)} and ${dt.scalarTypeName(b.dtype)}${wholeNumbersHint(a, b)}`,
    );
  }
  if (self.dtype !== b.dtype) {
    throw new RuntimeError(
      `self and mat2 must have the same dtype, but got ${dt.scalarTypeName(self.dtype)} and ${dt.scalarTypeName(b.dtype)}${wholeNumbersHint(self, b)}`,
    );
  }
  refuseBool(a.dtype, "addmm_impl_cpu_");
  if (isTransposed(b)) bound = { ...bound, factors: { ...bound.factors, transposed: true } };
  return run(addmmOp, bound, sizes, inplace);
}

/** `beta * input + alpha * (mat1 · mat2)`; the input is broadcast. */
export function addmm(self: Tensor, mat1: Tensor, mat2: Tensor, options?: AddProductOptions): Tensor {
  return callAddmm("addmm", [self, mat1, mat2, options], false);
}
export function addmm_(self: Tensor, mat1: Tensor, mat2: Tensor, options?: AddProductOptions): Tensor {
  return callAddmm("addmm_", [self, mat1, mat2, options], true);
}

/** Options of `_addmm_activation`. */
export interface AddmmActivationOptions {
  readonly beta?: number | bigint;
  readonly alpha?: number | bigint;
  /** GELU instead of ReLU. */
  readonly use_gelu?: boolean;
}

/** `relu(beta * input + alpha * (mat1 · mat2))`, or `gelu` of it with `use_gelu`; ReLU in the product's kernel. */
export function _addmm_activation(
  self: Tensor,
  mat1: Tensor,
  mat2: Tensor,
  options: AddmmActivationOptions = {},
): Tensor {
  const [x, a, b, beta, alpha, useGelu] = bind(
    "_addmm_activation(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1, bool use_gelu=False)",
    [self, mat1, mat2, options],
  ) as [Tensor, Tensor, Tensor, number | bigint, number | bigint, boolean];
  const recorded = wantsDerivative(x, a, b);
  if (useGelu || recorded || !a.dtype.is_floating_point) {
    const sum = addmm(x, a, b, { beta, alpha });
    return useGelu ? gelu(sum) : sum.relu();
  }
  return callAddmm("_addmm_activation", [x, a, b, { beta, alpha }], false, true);
}

function callAddmv(name: string, args: readonly unknown[], inplace: boolean): Tensor {
  const bound = bindProduct(name, ["mat", "vec"], args);
  const [self, a, x] = bound.inputs;
  checkMatrixVector(a, x, self.sizes.length, self.count);
  if (a.dtype !== x.dtype || self.dtype !== a.dtype) {
    throw new RuntimeError(
      `addmv input tensors must have the same dtype, but got ${dt.scalarTypeName(self.dtype)}, ${dt.scalarTypeName(a.dtype)}, and ${dt.scalarTypeName(x.dtype)}${wholeNumbersHint(self, a, x)}`,
    );
  }
  refuseBool(a.dtype, "addmv_impl_cpu");
  return run(addmvOp, bound, [a.sizes[0]], inplace);
}

/** `beta * input + alpha * (mat · vec)`. */
export function addmv(self: Tensor, mat: Tensor, vec: Tensor, options?: AddProductOptions): Tensor {
  return callAddmv("addmv", [self, mat, vec, options], false);
}
export function addmv_(self: Tensor, mat: Tensor, vec: Tensor, options?: AddProductOptions): Tensor {
  return callAddmv("addmv_", [self, mat, vec, options], true);
}

function callBatched(op: Primitive<Factors>, name: string, args: readonly unknown[], inplace: boolean): Tensor {
  const bound = bindProduct(name, ["batch1", "batch2"], args);
  const [self, a, b] = bound.inputs;
  if (a.sizes.length !== 3) throw new RuntimeError("batch1 must be a 3D tensor");
  if (b.sizes.length !== 3) throw new RuntimeError("batch2 must be a 3D tensor");
  const sizes = op === addbmmOp ? [a.sizes[1], b.sizes[2]] : [a.sizes[0], a.sizes[1], b.sizes[2]];
  requireExpandable(self, sizes);
  if (a.sizes[0] !== b.sizes[0] || a.sizes[2] !== b.sizes[1]) {
    if (op === addbmmOp && a.sizes[0] !== b.sizes[0]) {
      throw new RuntimeError(`batch1 and batch2 must have same number of batches, got ${a.sizes[0]} and ${b.sizes[0]}`);
    }
    throw new RuntimeError(
      op === addbmmOp
        ? `Incompatible matrix sizes for bmm (${a.sizes[1]}x${a.sizes[2]} and ${b.sizes[1]}x${b.sizes[2]})`
        : `Expected size for first two dimensions of batch2 tensor to be: [${a.sizes[0]}, ${a.sizes[2]}] but got: [${b.sizes[0]}, ${b.sizes[1]}].`,
    );
  }
  if (a.dtype !== b.dtype || self.dtype !== a.dtype) {
    throw new RuntimeError(
      `Input dtypes must be the same, got: input ${dt.cppTypeName(self.dtype)}, batch1: ${dt.cppTypeName(a.dtype)}, batch2: ${dt.cppTypeName(b.dtype)}${wholeNumbersHint(self, a, b)}`,
    );
  }
  refuseBool(a.dtype, "baddbmm");
  return run(op, bound, sizes, inplace);
}

/** `beta * input + alpha * Σ_b (batch1[b] · batch2[b])`. */
export function addbmm(self: Tensor, batch1: Tensor, batch2: Tensor, options?: AddProductOptions): Tensor {
  return callBatched(addbmmOp, "addbmm", [self, batch1, batch2, options], false);
}
export function addbmm_(self: Tensor, batch1: Tensor, batch2: Tensor, options?: AddProductOptions): Tensor {
  return callBatched(addbmmOp, "addbmm_", [self, batch1, batch2, options], true);
}

/** `beta * input + alpha * (batch1[b] · batch2[b])` for each b. */
export function baddbmm(self: Tensor, batch1: Tensor, batch2: Tensor, options?: AddProductOptions): Tensor {
  return callBatched(baddbmmOp, "baddbmm", [self, batch1, batch2, options], false);
}
export function baddbmm_(self: Tensor, batch1: Tensor, batch2: Tensor, options?: AddProductOptions): Tensor {
  return callBatched(baddbmmOp, "baddbmm_", [self, batch1, batch2, options], true);
}

function callAddr(name: string, args: readonly unknown[], inplace: boolean): Tensor {
  const { inputs, factors, out } = bindProduct(name, ["vec1", "vec2"], args);
  const [self, a, b] = inputs;
  for (const [label, x] of [
    ["vec1", a],
    ["vec2", b],
  ] as const) {
    if (x.sizes.length !== 1)
      throw new RuntimeError(`addr: Expected 1-D argument ${label}, but got ${x.sizes.length}-D`);
  }
  const sizes = [a.count, b.count];
  requireExpandable(self, sizes);
  const dtype = resultType([self, a, b]);
  for (const [label, factor] of [
    ["beta", factors.beta],
    ["alpha", factors.alpha],
  ] as const) {
    if (!dtype.is_floating_point && !Number.isInteger(Number(factor))) {
      throw new RuntimeError(`For integral input tensors, argument ${label} must not be a floating point number.`);
    }
  }
  if (inplace && (self.dtype !== dtype || !sameShape(self.sizes, broadcastShapes(self.sizes, sizes)))) {
    throw new RuntimeError(
      self.dtype !== dtype
        ? `result type ${dt.scalarTypeName(dtype)} can't be cast to the desired output type ${dt.scalarTypeName(self.dtype)}`
        : `output with shape ${shapeText(self.sizes)} doesn't match the broadcast shape ${shapeText(sizes)}`,
    );
  }
  const cast = inputs.map((x) => x.to(dtype));
  // A matrix product over one index; on bool, products are "and" and sums "or", which integers of one bit are.
  if (dtype === dt.bool) {
    const narrow = cast.map((x) => x.to(dt.uint8));
    const wide = run(addrOp, { inputs: narrow, factors, out: null }, sizes, false).to(dt.bool);
    return inplace ? self.copy_(wide) : intoOut(out, wide);
  }
  return run(addrOp, { inputs: cast, factors, out }, sizes, inplace);
}

const addrOp = inplaceable<Factors>({
  name: "addr",
  batch: (call) => {
    const [self, a, b] = call.values;
    return self.dtype === dt.bool ? null : addedStacks(call, 2, [self, a.unsqueeze(-1), b.unsqueeze(-2)]);
  },
  compute: (inputs, factors, target) => {
    const [, a, b] = inputs;
    return addProduct(
      "addr",
      inputs,
      factors,
      {
        sizes: [a.count, b.count],
        groups: { batch: [], m: [a.count], n: [b.count], k: [1] },
        a: { m: a.strides, k: [0] },
        b: { k: [0], n: b.strides },
      },
      target,
    );
  },
  gradient: (g, c) => [
    c.needs(0) ? scaled(g, c.attrs.beta) : null,
    c.needs(1) ? scaled(g.mv(c.input(2)), c.attrs.alpha) : null,
    c.needs(2) ? scaled(g.t().mv(c.input(1)), c.attrs.alpha) : null,
  ],
  saves: [[], [2], [1]],
});

/** `beta * input + alpha * outer(vec1, vec2)`. */
export function addr(self: Tensor, vec1: Tensor, vec2: Tensor, options?: AddProductOptions): Tensor {
  return callAddr("addr", [self, vec1, vec2, options], false);
}
export function addr_(self: Tensor, vec1: Tensor, vec2: Tensor, options?: AddProductOptions): Tensor {
  return callAddr("addr_", [self, vec1, vec2, options], true);
}
