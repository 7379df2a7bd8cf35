/** Reading and writing slices of one dimension whose numbers are in a vector. */
import type { BatchedCall } from "../dispatch.ts";
import * as dt from "../dtype.ts";
import { IndexError, RuntimeError } from "../errors.ts";
import type { ScatterMode } from "../ir/kernel.ts";
import { normalizeDim, type Shape, sameShape, shapeText } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { copied, scalarTensor } from "./copy.ts";
import { again } from "./define/batch.ts";
import { intoOut } from "./define/out.ts";
import { primitive } from "./define/primitive.ts";
import type { Scalar } from "./define/promote.ts";
import { type Access, gatherInto, scatterInto } from "./define/scatter.ts";
import { bind } from "./define/schema.ts";
import { writing } from "./define/writing.ts";
import { fromValues } from "./from-values.ts";
import { atLeast1, checkIndices, isIndexType, outOfBounds, sizeAt, zeroAt } from "./index-check.ts";
import { indexOp, indexPutOp } from "./index-kernels.ts";
import { allocate } from "./row.ts";
import { sampleNumbers } from "./sample-numbers.ts";

interface AlongAttrs {
  readonly dim: number;
  readonly alpha: number | bigint;
  readonly mode: ScatterMode;
}

/** The access of slices of `dim` whose numbers are in a vector. `other` has the shape of the slices. */
function slices(x: Tensor, dim: number, index: Tensor, negative = false): Access {
  const count = index.count;
  return {
    shape: x.sizes.map((s, d) => (d === dim ? count : s)),
    strides: zeroAt(x.strides, dim),
    indices: [
      {
        tensor: index,
        strides: x.sizes.map((_, d) => (d === dim && index.sizes.length > 0 ? index.strides[0] : 0)),
        size: x.sizes[dim],
        stride: x.strides[dim],
        negative,
      },
    ],
  };
}

const indexSelectOp = primitive<{ dim: number }>({
  name: "index_select",
  inputNames: ["self", "index"],
  batch: (call) => {
    const { attrs, batched, inputs, size, values } = call;
    const [x, index] = values;
    if (inputs[0].sizes.length === 0) return x.sizes.length === 0 ? x.expand(size).clone() : x.clone();
    if (!batched[1]) return again(call, { dim: attrs.dim + 1 });
    const places = index.reshape([size, inputs[1].count]);
    // The numbers of the slices come before the other dimensions, or where `dim` is.
    if (!batched[0]) return indexOp([x, places], { dims: [attrs.dim] }).movedim(attrs.dim, 0);
    const numbers = sampleNumbers(size, 2).expand(places.sizes);
    return indexOp([x, numbers, places], { dims: [0, attrs.dim + 1] }).movedim(1, attrs.dim + 1);
  },
  compute: ([x, index], { dim }) => {
    if (x.sizes.length === 0) return copied(x, { dtype: x.dtype, format: "contiguous_format" });
    const access = slices(x, dim, index);
    const out = allocate(x.dtype, access.shape);
    gatherInto(out, x, access);
    return out;
  },
  saves: [[1]],
  gradient: (g, c) => [g.new_zeros(c.shape(0)).index_add(c.attrs.dim, c.input(1), g), null],
});

/** The slices of `dim` whose numbers are in the vector `index`. */
export function index_select(self: Tensor, dim: number, index: Tensor, options?: { out?: Tensor }): Tensor {
  const [x, d, at, out] = bind("index_select(Tensor self, int dim, Tensor index, *, Tensor? out=None)", [
    self,
    dim,
    index,
    options,
  ]) as [Tensor, number, Tensor, Tensor | null];
  const where = normalizeDim(d, x.sizes.length);
  if (at.sizes.length > 1) throw new IndexError("index_select(): Index is supposed to be a vector");
  if (!isIndexType(at.dtype)) throw new RuntimeError("index_select(): Expected dtype int32 or int64 for index");
  if (x.sizes.length === 0 && at.count !== 1) {
    throw new RuntimeError(`index_select(): Index to scalar can have only 1 value, got ${at.count} value(s)`);
  }
  checkIndices(at, sizeAt(x, where), false, () => {
    throw new IndexError("index out of range in self");
  });
  const result = indexSelectOp([x, at], { dim: where });
  return intoOut(out, result);
}

/** Only `index_fill` takes negative numbers. */
function sliceWrite(target: Tensor, [, index, source]: readonly Tensor[], { dim, alpha, mode }: AlongAttrs): void {
  const x = atLeast1(target);
  const access = slices(x, dim, index, mode === "set");
  const strides =
    source.sizes.length === x.sizes.length && (source.sizes.length > 0 || x.sizes.length === 0)
      ? source.strides
      : access.shape.map(() => 0);
  scatterInto(x, source, strides, access, mode, alpha);
}

function batchedSlices(call: BatchedCall<AlongAttrs>): Tensor | Tensor[] {
  const { attrs, batched, form, inputs, size, values } = call;
  const { alpha, mode } = attrs;
  const dim = attrs.dim + 1;
  const all = (i: number): Tensor => (batched[i] ? values[i] : values[i].unsqueeze(0).expand(size, ...values[i].sizes));
  const scalar = inputs[0].sizes.length === 0;
  const x = scalar ? all(0).unsqueeze(1) : all(0);
  const index = inputs[1];
  // The slices of all samples: a source without dimensions is the same for all places of a sample.
  const slices = x.sizes.map((s, d) => (d === dim ? index.count : s));
  let source = values[2];
  if (batched[2] || inputs[2].sizes.length > 0) {
    source = all(2);
    if (inputs[2].sizes.length === 0) source = source.view([size, ...slices.slice(1).map(() => 1)]);
    source = source.reshape(inputs[2].count === 1 ? source.sizes : slices).expand(slices);
  }
  let result: Tensor;
  if (batched[1]) {
    const places = values[1].reshape([size, index.count]);
    const value = source.sizes.length === 0 ? source : source.movedim(dim, 1);
    const inputsOfPut = [
      x,
      alpha === 1 ? value : value.mul(alpha),
      sampleNumbers(size, 2).expand(places.sizes),
      places,
    ];
    const attrsOfPut = { dims: [0, dim], accumulate: mode === "add" };
    result =
      form === "inplace" ? indexPutOp.inplace(inputsOfPut, attrsOfPut) : indexPutOp.call(inputsOfPut, attrsOfPut);
  } else result = again(call, { ...attrs, dim }, [x, values[1], source]) as Tensor;
  return scalar && form === "one" ? result.squeeze(1) : result;
}

const indexAddOp = writing<AlongAttrs>(
  {
    name: "index_add",
    batch: batchedSlices,
    // The source too, though only for its shape: PyTorch notices when it was changed.
    saves: [[], [], [1, 2]],
    gradient: (g, c) => {
      if (!c.needs(2)) return [g, null, null];
      c.input(2);
      const read = g.index_select(c.attrs.dim, c.input(1)).reshape(c.shape(2));
      return [g, null, c.attrs.alpha === 1 ? read : read.mul(c.attrs.alpha)];
    },
  },
  sliceWrite,
);

function checkVector(name: string, index: Tensor): void {
  if (index.sizes.length > 1) {
    throw new IndexError(
      `${name}: Index is supposed to be a vector, but got dim: ${index.sizes.length} with type: ${dt.scalarTypeName(index.dtype)} and size: ${shapeText(index.sizes)}`,
    );
  }
}

function bindIndexAdd(args: readonly unknown[]): { inputs: Tensor[]; attrs: AlongAttrs; out: Tensor | null } {
  const [x, d, index, source, alpha, out] = bind(
    "index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1, Tensor? out=None)",
    args,
  ) as [Tensor, number, Tensor, Tensor, number | bigint, Tensor | null];
  const dim = normalizeDim(d, x.sizes.length);
  checkVector("index_add_()", index);
  if (!isIndexType(index.dtype)) {
    throw new RuntimeError(
      `index_add_(): Expected dtype int32/int64 for index but got: ${dt.scalarTypeName(index.dtype)}`,
    );
  }
  if (source.dtype !== x.dtype) {
    throw new RuntimeError(
      `index_add_(): self (${dt.scalarTypeName(x.dtype)}) and source (${dt.scalarTypeName(source.dtype)}) must have the same scalar type`,
    );
  }
  if (typeof alpha === "number" && !Number.isInteger(alpha) && !x.dtype.is_floating_point) {
    throw new RuntimeError("For integral input tensors, argument alpha must not be a floating point number.");
  }
  if (source.sizes.length > 0 || x.sizes.length > 0) {
    if (source.sizes.length !== 0 && sizeAt(source, dim) !== index.count) {
      throw new RuntimeError(
        `index_add_(): Number of indices (${index.count}) should be equal to source.size(dim): (${sizeAt(source, dim)}), for dim: ${dim}`,
      );
    }
    const rest = (t: Tensor): Shape => t.sizes.filter((_, k) => k !== dim);
    if (!sameShape(rest(x), rest(source)) || source.sizes.length !== x.sizes.length) {
      if (x.sizes.length > 1 || source.sizes.length > 1) {
        throw new RuntimeError(
          `source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = ${shapeText(x.sizes)} source.shape = ${shapeText(source.sizes)}`,
        );
      }
    }
  }
  checkIndices(index, sizeAt(x, dim), false, outOfBounds(dim, sizeAt(x, dim)));
  return { inputs: [x, index, source], attrs: { dim, alpha: Number(alpha) === 1 ? 1 : alpha, mode: "add" }, out };
}

type AlphaOptions = { alpha?: Scalar; out?: Tensor };

/** A copy of `self` with the slices of `source`, times `alpha`, added to those slices of `dim` that `index` numbers. */
export function index_add(self: Tensor, dim: number, index: Tensor, source: Tensor, options?: AlphaOptions): Tensor {
  const { inputs, attrs, out } = bindIndexAdd([self, dim, index, source, options]);
  const result = indexAddOp.call(inputs, attrs);
  return intoOut(out, result);
}

/** `index_add` in place. */
export function index_add_(self: Tensor, dim: number, index: Tensor, source: Tensor, options?: AlphaOptions): Tensor {
  const { inputs, attrs } = bindIndexAdd([self, dim, index, source, options]);
  return indexAddOp.inplace(inputs, attrs);
}

const indexCopyOp = writing<AlongAttrs>(
  {
    name: "index_copy",
    batch: batchedSlices,
    saves: [[1], [], [1, 2]],
    gradient: (g, c) => [
      c.needs(0) ? g.index_fill(c.attrs.dim, c.input(1), 0) : null,
      null,
      c.needs(2) ? g.index_select(c.attrs.dim, c.input(1)).reshape(c.input(2).sizes) : null,
    ],
  },
  sliceWrite,
);

function bindIndexCopy(args: readonly unknown[]): { inputs: Tensor[]; attrs: AlongAttrs; out: Tensor | null } {
  const [x, d, index, source, out] = bind(
    "index_copy(Tensor self, int dim, Tensor index, Tensor source, *, Tensor? out=None)",
    args,
  ) as [Tensor, number, Tensor, Tensor, Tensor | null];
  const dim = normalizeDim(d, x.sizes.length);
  if (index.sizes.length > 1) {
    throw new IndexError(`index_copy_(): Index should have dimension 1 or 0 (got ${index.sizes.length})`);
  }
  if (index.dtype !== dt.int64) {
    throw new RuntimeError(
      `index_copy_(): Expected a long tensor for index, but got ${dt.scalarTypeName(index.dtype)}`,
    );
  }
  if (source.dtype !== x.dtype) {
    throw new RuntimeError(
      `index_copy_(): self and source expected to have the same dtype, but got (self) ${dt.scalarTypeName(x.dtype)} and (source) ${dt.scalarTypeName(source.dtype)}`,
    );
  }
  if (source.sizes.length === 0 && index.count !== 1) {
    throw new IndexError(`index_copy_(): When source is scalar, index should have one element (got ${index.count})`);
  }
  if (source.sizes.length !== x.sizes.length && source.sizes.length !== 0 && x.sizes.length !== 0) {
    throw new IndexError(
      `index_copy_(): When source and destination are not scalars, their dimensionality must match. Source dimensionality (${source.sizes.length}), destination dimensionality (${x.sizes.length})`,
    );
  }
  const rest = (t: Tensor): number[] => t.sizes.filter((_, k) => k !== dim);
  if (!sameShape(rest(x), rest(source))) {
    throw new RuntimeError(
      `index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: ${rest(x).join(" ")} at dimension ${dim} and source slice shape: ${rest(source).join(" ")} at dimension 0.`,
    );
  }
  if (source.sizes.length > 0 && source.sizes[dim] !== index.count) {
    throw new IndexError(
      `index_copy_(): Number of indices (${index.count}) should be equal to source.size(dim) (${source.sizes[dim]})`,
    );
  }
  checkIndices(index, sizeAt(x, dim), false, (value) => {
    throw new IndexError(
      `index_copy_(): index ${value} is out of bounds for dimension ${dim} with size ${sizeAt(x, dim)}`,
    );
  });
  return { inputs: [x, index, source], attrs: { dim, alpha: 1, mode: "set" }, out };
}

/** A copy of `self` in which the slices of `dim` that `index` numbers are those of `source`. */
export function index_copy(
  self: Tensor,
  dim: number,
  index: Tensor,
  source: Tensor,
  options?: { out?: Tensor },
): Tensor {
  const { inputs, attrs, out } = bindIndexCopy([self, dim, index, source, options]);
  const result = indexCopyOp.call(inputs, attrs);
  return intoOut(out, result);
}

/** `index_copy` in place. */
export function index_copy_(self: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
  const { inputs, attrs } = bindIndexCopy([self, dim, index, source]);
  return indexCopyOp.inplace(inputs, attrs);
}

function sizeOf(shape: Shape, dim: number): number {
  return shape.length === 0 ? 1 : shape[dim];
}

/** Each place once, however often and from which end it was named. */
function distinct(index: Tensor, size: number): Tensor {
  const places = (index.reshape(-1).tolist() as number[]).map((i) => (i < 0 ? i + size : i));
  return fromValues([...new Set(places)], dt.int64, false);
}

/** The sum of the elements in the slices that `index` numbers. */
function filledSum(g: Tensor, dim: number, index: Tensor): Tensor {
  if (index.wrapping !== null || g.wrapping !== null)
    return g.mul(g.new_zeros(g.sizes).index_fill(dim, index, 1)).sum();
  return g.index_select(dim, distinct(index, sizeOf(g.sizes, dim))).sum();
}

function indexFillOp(nodeName: string) {
  return writing<AlongAttrs>(
    {
      name: "index_fill",
      batch: batchedSlices,
      nodeName,
      saves: [[1], [], [1]],
      gradient: (g, c) => [
        c.needs(0) ? g.index_fill(c.attrs.dim, c.input(1), 0) : null,
        null,
        c.needs(2) ? filledSum(g, c.attrs.dim, c.input(1)) : null,
      ],
    },
    sliceWrite,
  );
}
const indexFillNumberOp = indexFillOp("IndexFillBackward");
const indexFillTensorOp = indexFillOp("IndexFillBackward1");

function bindIndexFill(args: readonly unknown[]) {
  const [x, d, index, value] = bind("index_fill(Tensor self, int dim, Tensor index, Operand value)", args) as [
    Tensor,
    number,
    Tensor,
    Tensor | Scalar,
  ];
  const dim = normalizeDim(d, x.sizes.length);
  if (value instanceof Tensor && value.sizes.length > 0) {
    throw new RuntimeError(
      `index_fill_ only supports a 0-dimensional value tensor, but got tensor with ${value.sizes.length} dimension(s).`,
    );
  }
  if (index.dtype !== dt.int64) throw new IndexError("index_fill_(): Expected dtype int64 for index.");
  if (index.sizes.length > 1) throw new IndexError("Index has to be a vector/scalar");
  checkIndices(index, sizeAt(x, dim), true, (i) => {
    throw new IndexError(`index ${i} is out of bounds for dimension ${dim} with size ${sizeAt(x, dim)}`);
  });
  const source = value instanceof Tensor ? value : scalarTensor(value, x.dtype);
  const attrs: AlongAttrs = { dim, alpha: 1, mode: "set" };
  return { inputs: [x, index, source], attrs, op: value instanceof Tensor ? indexFillTensorOp : indexFillNumberOp };
}

/** A copy of `self` in which the slices of `dim` that `index` numbers are filled with `value`. */
export function index_fill(self: Tensor, dim: number, index: Tensor, value: Tensor | Scalar): Tensor {
  const { inputs, attrs, op } = bindIndexFill([self, dim, index, value]);
  return op.call(inputs, attrs);
}

/** `index_fill` in place. */
export function index_fill_(self: Tensor, dim: number, index: Tensor, value: Tensor | Scalar): Tensor {
  const { inputs, attrs, op } = bindIndexFill([self, dim, index, value]);
  return op.inplace(inputs, attrs);
}
