/** Products of matrices and vectors. */

import { type BatchedCall, dispatch, type Primitive } from "../dispatch.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { broadcastShapes, broadcastStrides, numelOf, type Shape, shapeText, viewStrides } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { again, withRank } from "./define/batch.ts";
import { contract } from "./define/contraction.ts";
import { computeInto, intoOut } from "./define/out.ts";
import { type PrimitiveCall, primitive, toPrimitive } from "./define/primitive.ts";
import { bind, bindAs } from "./define/schema.ts";
import { wholeNumbersHint } from "./kernels/guards.ts";
import { checkMatrixVector, checkStacks, gradientOfSecond, isTransposed, refuseBool } from "./matmul-rules.ts";
import { allocate, runRow } from "./row.ts";
import { unsafeView } from "./unsafe-view.ts";

/** Options of functions that can write their result into a tensor. */
export interface ProductOptions {
  readonly out?: Tensor;
}

function finish(result: Tensor, out: Tensor | null): Tensor {
  return intoOut(out, result);
}

/** Whether the second matrix is transposed: its gradient is laid out as it is. */
interface ProductAttrs {
  readonly transposed: boolean;
}
const PLAIN: ProductAttrs = { transposed: false };
const TRANSPOSED: ProductAttrs = { transposed: true };

const mmPrimitive: Primitive<ProductAttrs> = toPrimitive<ProductAttrs>({
  name: "mm",
  inputNames: ["self", "mat2"],
  forward: "multilinear",
  // Many matrices times one are one taller matrix.
  batch: ({ values: [a, b], batched }) => (batched[1] ? batchedOp([a, b], { name: "bmm" }) : matmul(a, b)),
  compute: ([a, b], _, target) => {
    const [m, k] = a.sizes;
    const n = b.sizes[1];
    const out = target ?? allocate(a.dtype, [m, n]);
    if (out.count === 0) return out;
    contract({
      name: "mm",
      sizes: { batch: [], m: [m], n: [n], k: [k] },
      a: { tensor: a, m: [a.strides[0]], k: [a.strides[1]] },
      b: { tensor: b, k: [b.strides[0]], n: [b.strides[1]] },
      out: { tensor: out, m: [out.strides[0]], n: [out.strides[1]] },
    });
    return out;
  },
  gradient: (g, c) => [
    c.needs(0) ? mmOp(g, c.input(1).t()) : null,
    c.needs(1) ? gradientOfSecond(c.input(0), g, c.attrs.transposed) : null,
  ],
  saves: [[1], [0]],
});
const productAttrs = (b: Tensor): ProductAttrs => (isTransposed(b) ? TRANSPOSED : PLAIN);
const mmOp = (a: Tensor, b: Tensor): Tensor => dispatch(mmPrimitive, [a, b], productAttrs(b));

/** The product of two matrices: (m × k) · (k × n) gives (m × n). */
export function mm(self: Tensor, mat2: Tensor, options?: ProductOptions): Tensor {
  const [a, b, out] = bind("mm(Tensor self, Tensor mat2, *, Tensor? out=None)", [self, mat2, options]) as [
    Tensor,
    Tensor,
    Tensor | null,
  ];
  if (a.sizes.length !== 2) throw new RuntimeError("self must be a matrix");
  if (b.sizes.length !== 2) throw new RuntimeError("mat2 must be a matrix");
  if (a.sizes[1] !== b.sizes[0]) {
    throw new RuntimeError(`mat1 and mat2 shapes cannot be multiplied (${a.sizes.join("x")} and ${b.sizes.join("x")})`);
  }
  if (a.dtype !== b.dtype) {
    throw new RuntimeError(
      `expected m1 and m2 to have the same dtype, but got: ${dt.cppTypeName(a.dtype)} != ${dt.cppTypeName(b.dtype)}${wholeNumbersHint(a, b)}`,
    );
  }
  refuseBool(a.dtype, "addmm_impl_cpu_");
  return computeInto(mmPrimitive, [a, b], productAttrs(b), out, [a.sizes[0], b.sizes[1]]);
}

/** The rule of products of stacks, which are broadcast: the samples are one more batch dimension. */
function alignedStacks<A>(call: BatchedCall<A>): Tensor | Tensor[] {
  const rank = Math.max(call.inputs[0].sizes.length, call.inputs[1].sizes.length);
  const aligned = call.values.map((t, i) => (call.batched[i] ? withRank(t, rank + 1) : t));
  return again(call, call.attrs, aligned);
}

/** Products of stacks of matrices; the batch dimensions of `b` and `a` are broadcast. */
const batchedPrimitive: Primitive<{ name: string }> = toPrimitive<{ name: string }>({
  name: "bmm",
  inputNames: ["self", "mat2"],
  forward: "multilinear",
  batch: alignedStacks,
  compute: ([a, b], _, target) => multiplyStacks(a, b, target ?? null),
  gradient: (g, c) => [
    c.needs(0) ? batchedOp([g, c.input(1).transpose(-2, -1)], c.attrs) : null,
    c.needs(1) ? batchedOp([c.input(0).transpose(-2, -1), g], c.attrs) : null,
  ],
  saves: [[1], [0]],
});
const batchedOp = (inputs: readonly Tensor[], attrs: { name: string }): Tensor =>
  dispatch(batchedPrimitive, inputs, attrs);

/** The same as `matmul` of stacks whose dimensions cannot be viewed as one: PyTorch copies and then reshapes. */
const broadcastOp: PrimitiveCall<null> = primitive<null>({
  name: "_batched_matmul",
  forward: "multilinear",
  batch: alignedStacks,
  nodeName: "UnsafeViewBackward",
  compute: ([a, b]) => multiplyStacks(a, b, null),
  gradient: (g, c) => [
    c.needs(0) ? broadcastOp([g, c.input(1).transpose(-2, -1)], null) : null,
    c.needs(1) ? broadcastOp([c.input(0).transpose(-2, -1), g], null) : null,
  ],
  saves: [[1], [0]],
});

function multiplyStacks(a: Tensor, b: Tensor, target: Tensor | null): Tensor {
  const batchA = a.sizes.slice(0, -2);
  const batchB = b.sizes.slice(0, -2);
  const batch = broadcastShapes(batchA, batchB);
  const m = a.sizes[a.sizes.length - 2];
  const k = a.sizes[a.sizes.length - 1];
  const n = b.sizes[b.sizes.length - 1];
  const out = target ?? allocate(a.dtype, [...batch, m, n]);
  const rank = out.strides.length;
  if (out.count === 0) return out;
  const [am, ak] = a.strides.slice(-2);
  const [bk, bn] = b.strides.slice(-2);
  contract({
    name: "bmm",
    sizes: { batch, m: [m], n: [n], k: [k] },
    a: { tensor: a, batch: broadcastStrides(batchA, a.strides.slice(0, -2), batch), m: [am], k: [ak] },
    b: { tensor: b, batch: broadcastStrides(batchB, b.strides.slice(0, -2), batch), k: [bk], n: [bn] },
    out: { tensor: out, batch: out.strides.slice(0, -2), m: [out.strides[rank - 2]], n: [out.strides[rank - 1]] },
  });
  return out;
}

/** Products of matching matrices of two stacks: (b × m × k) · (b × k × n) gives (b × m × n). */
export function bmm(self: Tensor, mat2: Tensor, options?: ProductOptions): Tensor {
  const [a, b, out] = bind("bmm(Tensor self, Tensor mat2, *, Tensor? out=None)", [self, mat2, options]) as [
    Tensor,
    Tensor,
    Tensor | null,
  ];
  checkStacks(a, b);
  if (a.dtype !== b.dtype) {
    throw new RuntimeError(
      `expected scalar type ${dt.scalarTypeName(a.dtype)} but found ${dt.scalarTypeName(b.dtype)}${wholeNumbersHint(a, b)}`,
    );
  }
  refuseBool(a.dtype, "bmm");
  return computeInto(batchedPrimitive, [a, b], { name: "bmm" }, out, [a.sizes[0], a.sizes[1], b.sizes[2]]);
}

const mvPrimitive: Primitive<null> = toPrimitive<null>({
  name: "mv",
  inputNames: ["self", "vec"],
  forward: "multilinear",
  batch: ({ values: [a, x], batched }) => {
    if (!batched[0]) return mm(x, a.t());
    return batched[1] ? batchedOp([a, x.unsqueeze(2)], { name: "bmm" }).squeeze(2) : matmul(a, x);
  },
  compute: ([a, x], _, target) => {
    const out = target ?? allocate(a.dtype, [a.sizes[0]]);
    if (out.count === 0) return out;
    contract({
      name: "mv",
      sizes: { batch: [], m: [a.sizes[0]], n: [], k: [a.sizes[1]] },
      a: { tensor: a, m: [a.strides[0]], k: [a.strides[1]] },
      b: { tensor: x, k: [x.strides[0]], n: [] },
      out: { tensor: out, m: out.strides, n: [] },
    });
    return out;
  },
  gradient: (g, c) => [
    c.needs(0) ? g.unsqueeze(1).mul(c.input(1)) : null,
    c.needs(1) ? mvOp([c.input(0).t(), g], null) : null,
  ],
  saves: [[1], [0]],
});
const mvOp = (inputs: readonly Tensor[], attrs: null): Tensor => dispatch(mvPrimitive, inputs, attrs);

/** The product of a matrix (m × k) and a vector (k). */
export function mv(self: Tensor, vec: Tensor, options?: ProductOptions): Tensor {
  const [a, x, out] = bind("mv(Tensor self, Tensor vec, *, Tensor? out=None)", [self, vec, options]) as [
    Tensor,
    Tensor,
    Tensor | null,
  ];
  checkMatrixVector(a, x, 1, null);
  if (a.dtype !== x.dtype) {
    throw new RuntimeError(
      `addmv input tensors must have the same dtype, but got ${dt.scalarTypeName(x.dtype)}, ${dt.scalarTypeName(a.dtype)}, and ${dt.scalarTypeName(x.dtype)}${wholeNumbersHint(a, x)}`,
    );
  }
  refuseBool(a.dtype, "addmv_impl_cpu");
  return computeInto(mvPrimitive, [a, x], null, out, [a.sizes[0]]);
}

function dotOp(name: "dot" | "vdot"): PrimitiveCall<null> {
  return primitive<null>({
    forward: "multilinear",
    name,
    batch: ({ values: [a, b], batched }) => {
      if (batched[0] && batched[1]) return batchedOp([a.unsqueeze(1), b.unsqueeze(2)], { name: "bmm" }).view(-1);
      return batched[0] ? mv(a, b) : mv(b, a);
    },
    compute: ([a, b]) => {
      const out = allocate(a.dtype, []);
      runRow({
        name,
        key: "dot",
        outer: [],
        inner: a.sizes,
        operands: [
          { tensor: a, outer: [], inner: a.strides },
          { tensor: b, outer: [], inner: b.strides },
          { tensor: out, outer: [], inner: [0] },
        ],
        outputs: 1,
        build: ([x, y], row) => row.store(2, row.reduce("sum", x.mul(y))),
      });
      return out;
    },
    gradient: (g, c) => [c.needs(0) ? g.mul(c.input(1)) : null, c.needs(1) ? g.mul(c.input(0)) : null],
    saves: [[1], [0]],
  });
}

const dotOps = { dot: dotOp("dot"), vdot: dotOp("vdot") };

function dotProduct(name: "dot" | "vdot", args: readonly unknown[]): Tensor {
  const other = name === "dot" ? "tensor" : "other";
  const [a, b, out] = bind(`${name}(Tensor self, Tensor ${other}, *, Tensor? out=None)`, args) as [
    Tensor,
    Tensor,
    Tensor | null,
  ];
  if (a.sizes.length !== 1 || b.sizes.length !== 1) {
    throw new RuntimeError(`1D tensors expected, but got ${a.sizes.length}D and ${b.sizes.length}D tensors`);
  }
  if (a.dtype !== b.dtype) {
    throw new RuntimeError(
      `dot : expected both vectors to have same dtype, but found ${dt.scalarTypeName(a.dtype)} and ${dt.scalarTypeName(b.dtype)}${wholeNumbersHint(a, b)}`,
    );
  }
  if (a.count !== b.count) {
    throw new RuntimeError(
      `inconsistent tensor size, expected tensor [${a.count}] and src [${b.count}] to have the same number of elements, but got ${a.count} and ${b.count} elements respectively`,
    );
  }
  refuseBool(a.dtype, "dot");
  return finish(dotOps[name]([a, b], null), out);
}

/** The sum of products of two vectors. */
export function dot(self: Tensor, tensor: Tensor, options?: ProductOptions): Tensor {
  return dotProduct("dot", [self, tensor, options]);
}

/** The same as `dot`; the two differ for complex numbers only. */
export function vdot(self: Tensor, other: Tensor, options?: ProductOptions): Tensor {
  return dotProduct("vdot", [self, other, options]);
}

/** Sums of products over the last dimensions: shapes (…a, k) and (…b, k) give (…a, …b). A product with a scalar is `mul`. */
export function inner(self: Tensor, other: Tensor, options?: ProductOptions): Tensor {
  const [a, b, out] = bind("inner(Tensor self, Tensor other, *, Tensor? out=None)", [self, other, options]) as [
    Tensor,
    Tensor,
    Tensor | null,
  ];
  if (a.sizes.length === 0 || b.sizes.length === 0) return finish(a.mul(b), out);
  const k = a.sizes[a.sizes.length - 1];
  if (k !== b.sizes[b.sizes.length - 1]) {
    throw new RuntimeError(
      `inner() the last dimension must match on both input tensors but got shapes ${shapeText(a.sizes)} and ${shapeText(b.sizes)}`,
    );
  }
  const sizes = [...a.sizes.slice(0, -1), ...b.sizes.slice(0, -1)];
  const rows = numelOf(a.sizes.slice(0, -1));
  const columns = numelOf(b.sizes.slice(0, -1));
  return finish(mm(a.reshape(rows, k), b.reshape(columns, k).t()).view(sizes), out);
}

function outerProduct(name: string, args: readonly unknown[]): Tensor {
  const [a, b, out] = bindAs(name, "(Tensor self, Tensor vec2, *, Tensor? out=None)", args) as [
    Tensor,
    Tensor,
    Tensor | null,
  ];
  for (const [label, x] of [
    ["self", a],
    ["vec2", b],
  ] as const) {
    if (x.sizes.length !== 1) {
      throw new RuntimeError(`outer: Expected 1-D argument ${label}, but got ${x.sizes.length}-D`);
    }
  }
  return finish(a.reshape(a.count, 1).mul(b), out);
}

/** All products of the elements of two vectors: a matrix. */
export function outer(self: Tensor, vec2: Tensor, options?: ProductOptions): Tensor {
  return outerProduct("outer", [self, vec2, options]);
}

/** The other name of `outer`. */
export function ger(self: Tensor, vec2: Tensor, options?: ProductOptions): Tensor {
  return outerProduct("ger", [self, vec2, options]);
}

/**
 * The matrix product with the rules of NumPy's `@`: vectors count as a row or a column that disappears again, dimensions
 * before the last two are broadcast.
 */
export function matmul(self: Tensor, other: Tensor, options?: ProductOptions): Tensor {
  const [a, b, out] = bind("matmul(Tensor self, Tensor other, *, Tensor? out=None)", [self, other, options]) as [
    Tensor,
    Tensor,
    Tensor | null,
  ];
  if (out !== null && a.sizes.length === 2 && b.sizes.length === 2) return mm(a, b, { out });
  if (out !== null && a.sizes.length === 3 && b.sizes.length === 3 && a.sizes[0] === b.sizes[0])
    return bmm(a, b, { out });
  return finish(matmulOf(a, b), out);
}

function matmulOf(a: Tensor, b: Tensor): Tensor {
  const ra = a.sizes.length;
  const rb = b.sizes.length;
  if (ra === 0 || rb === 0) {
    throw new RuntimeError(`both arguments to matmul need to be at least 1D, but they are ${ra}D and ${rb}D`);
  }
  if (ra === 1 && rb === 1) return dot(a, b);
  if (ra === 2 && rb === 1) return mv(a, b);
  if (ra === 1 && rb === 2) return mm(a.unsqueeze(0), b).squeeze_(0);
  if (ra === 2 && rb === 2) return mm(a, b);
  // A stack times one matrix or vector is one product of a taller matrix.
  if (rb <= 2) return foldedProduct(a, b);
  if (ra <= 2) {
    const product = foldedProduct(b.transpose(-2, -1), ra === 1 ? a : a.t());
    return ra === 1 ? product : product.transpose(-2, -1).contiguous();
  }
  const k = a.sizes[ra - 1];
  if (a.dtype !== b.dtype) {
    throw new RuntimeError(
      `expected scalar type ${dt.scalarTypeName(a.dtype)} but found ${dt.scalarTypeName(b.dtype)}${wholeNumbersHint(a, b)}`,
    );
  }
  refuseBool(a.dtype, "bmm");
  const batch = broadcastShapes(a.sizes.slice(0, -2), b.sizes.slice(0, -2));
  if (k !== b.sizes[rb - 2]) {
    throw new RuntimeError(
      `Expected size for first two dimensions of batch2 tensor to be: [${numelOf(batch)}, ${k}] but got: [${numelOf(batch)}, ${b.sizes[rb - 2]}].`,
    );
  }
  const stackA = asStack(a, batch);
  const stackB = asStack(b, batch);
  if (stackA === null || stackB === null) return broadcastOp([a, b], null);
  const product = batchedOp([stackA, stackB], { name: "bmm" });
  return unsafeView(product, [...batch, a.sizes[ra - 2], b.sizes[rb - 1]]);
}

/** `x` as a stack with one batch dimension, if that is a view. */
function asStack(x: Tensor, batch: Shape): Tensor | null {
  const own = x.sizes.slice(0, -2);
  if (own.length !== batch.length || own.some((s, i) => s !== batch[i])) return null;
  const wanted = [numelOf(batch), ...x.sizes.slice(-2)];
  return viewStrides(x.sizes, x.strides, wanted) === null ? null : x.view(wanted);
}

function foldedProduct(a: Tensor, b: Tensor): Tensor {
  const k = a.sizes[a.sizes.length - 1];
  const rows = numelOf(a.sizes.slice(0, -1));
  const sizes = a.sizes.slice(0, -1);
  const vector = b.sizes.length === 1;
  if (!vector) sizes.push(b.sizes[1]);
  if (viewStrides(a.sizes, a.strides, [rows, k]) === null) {
    // Not viewable as one matrix: its own strides go to the kernel instead of a copy.
    const column = vector ? b.unsqueeze(1) : b;
    if (k !== column.sizes[0]) {
      throw new RuntimeError(`mat1 and mat2 shapes cannot be multiplied (${rows}x${k} and ${column.sizes.join("x")})`);
    }
    if (a.dtype !== b.dtype) {
      throw new RuntimeError(
        `expected m1 and m2 to have the same dtype, but got: ${dt.cppTypeName(a.dtype)} != ${dt.cppTypeName(b.dtype)}${wholeNumbersHint(a, b)}`,
      );
    }
    refuseBool(a.dtype, "addmm_impl_cpu_");
    const product = broadcastOp([a, column], null);
    return vector ? product.squeeze(-1) : product;
  }
  const folded = a.reshape(rows, k);
  return unsafeView(vector ? mv(folded, b) : mm(folded, b), sizes);
}

const traceOp = primitive<null>({
  name: "trace",
  forward: "linear",
  batch: ({ values: [x] }) => x.diagonal(0, 1, 2).sum(-1),
  compute: ([x]) => {
    const out = allocate(x.dtype.is_floating_point ? x.dtype : dt.int64, []);
    const type = out.dtype.is_floating_point ? null : "i64";
    runRow({
      name: "trace",
      key: "trace",
      outer: [],
      inner: [Math.min(...x.sizes)],
      operands: [
        { tensor: x, outer: [], inner: [x.strides[0] + x.strides[1]] },
        { tensor: out, outer: [], inner: [0] },
      ],
      outputs: 1,
      build: ([v], row) => row.store(1, row.reduce("sum", type === null ? v : v.cast("i64"))),
    });
    return out;
  },
  gradient: (g, c) => {
    const [rows, columns] = c.shape(0);
    const count = Math.min(rows, columns);
    return [g.new_zeros(c.shape(0))._as_strided_add(g.expand(count).contiguous(), [count], [columns + 1], 0)];
  },
});

/** The sum of a matrix's diagonal. */
export function trace(self: Tensor): Tensor {
  const [x] = bind("trace(Tensor self)", [self]) as [Tensor];
  if (x.sizes.length !== 2) {
    throw new RuntimeError(`trace: expected a matrix, but got tensor with dim ${x.sizes.length}`);
  }
  return traceOp([x], null);
}

/** Kronecker's product: every element of `self` times the whole of `other`, as blocks. */
export function kron(self: Tensor, other: Tensor, options?: ProductOptions): Tensor {
  const [a, b, out] = bind("kron(Tensor self, Tensor other, *, Tensor? out=None)", [self, other, options]) as [
    Tensor,
    Tensor,
    Tensor | null,
  ];
  const rank = Math.max(a.sizes.length, b.sizes.length);
  const lead = (x: Tensor): number[] => [...new Array<number>(rank - x.sizes.length).fill(1), ...x.sizes];
  const sizesA = lead(a);
  const sizesB = lead(b);
  const product = a.reshape(sizesA.flatMap((s) => [s, 1])).mul(b.reshape(sizesB.flatMap((s) => [1, s])));
  return finish(
    unsafeView(
      product,
      sizesA.map((s, d) => s * sizesB[d]),
    ),
    out,
  );
}
