/** Reading and writing along one dimension at places that an index tensor says. */

import type { BatchedCall, GradientContext } from "../dispatch.ts";
import * as dt from "../dtype.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";
import type { ScatterMode } from "../ir/kernel.ts";
import { contiguousStrides, normalizeDim, sameShape, shapeText } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { scalarTensor } from "./copy.ts";
import { again, allBatched, allValues, sameRanks } from "./define/batch.ts";
import { intoOut } from "./define/out.ts";
import { primitive } from "./define/primitive.ts";
import type { Scalar } from "./define/promote.ts";
import { type Access, gatherInto, scatterInto } from "./define/scatter.ts";
import { bind } from "./define/schema.ts";
import { writing } from "./define/writing.ts";
import { atLeast1, checkIndices, isIndexType, outOfBounds, sizeAt, zeroAt } from "./index-check.ts";
import { elementsOf } from "./memory.ts";
import { allocate } from "./row.ts";

function alongDim(x: Tensor, dim: number, index: Tensor): Access {
  return {
    shape: index.sizes,
    strides: zeroAt(x.strides, dim),
    // Scatter and gather take no negative indices.
    indices: [{ tensor: index, strides: index.strides, size: x.sizes[dim], stride: x.strides[dim], negative: false }],
  };
}

const gatherOp = primitive<{ dim: number }>({
  name: "gather",
  inputNames: ["self", "index"],
  batch: sameRanks(1),
  compute: ([x, index], { dim }) => {
    const out = allocate(x.dtype, index.sizes);
    gatherInto(atLeast1(out), atLeast1(x), alongDim(atLeast1(x), dim, atLeast1(index)));
    return out;
  },
  // The input only for its shape: PyTorch notices when it was changed.
  saves: [[0, 1]],
  gradient: (g, c) => [g.new_zeros(c.input(0).sizes).scatter_add(c.attrs.dim, c.input(1), g), null],
});

/** The elements of `self` at the places that `index` says along `dim`; the result has the shape of `index`. */
export function gather(
  self: Tensor,
  dim: number,
  index: Tensor,
  options?: { sparse_grad?: boolean; out?: Tensor },
): Tensor {
  const [x, d, at, , out] = bind(
    "gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False, Tensor? out=None)",
    [self, dim, index, options],
  ) as [Tensor, number, Tensor, boolean, Tensor | null];
  const where = normalizeDim(d, x.sizes.length);
  if (at.count > 0) {
    if (!isIndexType(at.dtype)) throw new RuntimeError("gather(): Expected dtype int32/int64 for index");
    if (Math.max(1, at.sizes.length) !== Math.max(1, x.sizes.length)) {
      throw new RuntimeError("Index tensor must have the same number of dimensions as input tensor");
    }
    for (let k = 0; k < x.sizes.length; k++) {
      if (k !== where && sizeAt(at, k) > x.sizes[k]) {
        throw new RuntimeError(
          `Size does not match at dimension ${k} expected index ${shapeText(at.sizes)} to be no larger than self ${shapeText(x.sizes)} apart from dimension ${where}`,
        );
      }
    }
    checkIndices(at, sizeAt(x, where), false, outOfBounds(where, sizeAt(x, where)));
  }
  if (out !== null && out.dtype !== x.dtype) {
    throw new RuntimeError(`Expected out tensor to have dtype ${x.dtype.name}, but got ${out.dtype.name} instead`);
  }
  const result = gatherOp([x, at], { dim: where });
  return intoOut(out, result);
}

interface ScatterAttrs {
  readonly dim: number;
  readonly mode: ScatterMode;
}

function scatterWrite(target: Tensor, [, index, src]: readonly Tensor[], { dim, mode }: ScatterAttrs): void {
  if (index.count === 0) return;
  const x = atLeast1(target);
  const at = atLeast1(index);
  // A source without dimensions is a number for every place.
  const strides = src.sizes.length === 0 ? at.sizes.map(() => 0) : src.strides;
  scatterInto(x, src, strides, alongDim(x, dim, at), mode);
}

/** A number to be written everywhere stays one. */
function batchedScatter(call: BatchedCall<ScatterAttrs>): Tensor | Tensor[] {
  const { batched, inputs, values } = call;
  if (batched[2] || inputs[2].sizes.length > 0 || inputs[1].sizes.length === 0)
    return sameRanks<ScatterAttrs>()(call) as Tensor;
  const [x, index] = allBatched(call);
  return again(call, { ...call.attrs, dim: call.attrs.dim + 1 }, [x, index, values[2]]);
}

/** The gradient of a source that may be larger than the index: zeros where nothing was read. */
function sourceGradient(g: Tensor, c: GradientContext<{ dim: number }>): Tensor {
  const read = g.gather(c.attrs.dim, c.input(1));
  const shape = c.shape(2);
  if (sameShape(read.shape, shape)) return read;
  if (shape.length === 0) return read.reshape([]);
  return g.new_zeros(shape).as_strided_scatter(read, read.shape, contiguousStrides(shape), 0);
}

const scatterSourceOp = writing<ScatterAttrs>(
  {
    name: "scatter",
    batch: batchedScatter,
    saves: [[1], [], [1]],
    gradient: (g, c) => [
      c.needs(0) ? g.scatter(c.attrs.dim, c.input(1), 0) : null,
      null,
      c.needs(2) ? sourceGradient(g, c) : null,
    ],
  },
  scatterWrite,
);
const scatterValueOp = writing<ScatterAttrs>(
  {
    name: "scatter",
    batch: batchedScatter,
    nodeName: "ScatterBackward1",
    saves: [[1]],
    gradient: (g, c) => [g.scatter(c.attrs.dim, c.input(1), 0), null, null],
  },
  scatterWrite,
);
const scatterModeOp = writing<ScatterAttrs>(
  {
    name: "scatter",
    batch: batchedScatter,
    gradient: () => {
      throw new NotImplementedError("derivative for aten::scatter with reduce is not implemented: use scatter_reduce");
    },
  },
  scatterWrite,
);
const scatterAddOp = writing<ScatterAttrs>(
  {
    name: "scatter_add",
    batch: batchedScatter,
    saves: [[], [], [1]],
    gradient: (g, c) => [g, null, c.needs(2) ? sourceGradient(g, c) : null],
  },
  scatterWrite,
);

function checkScatter(name: string, x: Tensor, dim: number, index: Tensor, src: Tensor | null): number {
  const at = normalizeDim(dim, x.sizes.length);
  if (index.count > 0 && !isIndexType(index.dtype)) {
    throw new RuntimeError(`${name}(): Expected dtype int32/int64 for index`);
  }
  if (src !== null && src.dtype !== x.dtype) {
    throw new RuntimeError(`scatter(): Expected self.dtype to be equal to src.dtype`);
  }
  if (index.count === 0) return at;
  const rank = Math.max(1, x.sizes.length);
  if (Math.max(1, index.sizes.length) !== rank) {
    throw new RuntimeError("Index tensor must have the same number of dimensions as self tensor");
  }
  if (src !== null && Math.max(1, src.sizes.length) !== rank) {
    throw new RuntimeError("Index tensor must have the same number of dimensions as src tensor");
  }
  for (let k = 0; k < rank; k++) {
    const size = sizeAt(index, k);
    if ((k !== at && size > sizeAt(x, k)) || (src !== null && size > sizeAt(src, k))) {
      const more = src === null ? "" : ` and to be no larger size than src ${shapeText(src.sizes)}`;
      throw new RuntimeError(
        `Expected index ${shapeText(index.sizes)} to be no larger than self ${shapeText(x.sizes)} apart from dimension ${at}${more}`,
      );
    }
  }
  checkIndices(index, sizeAt(x, at), false, outOfBounds(at, sizeAt(x, at)));
  return at;
}

type ScatterOptions = { src?: Tensor; value?: Scalar; reduce?: "add" | "multiply" | null; out?: Tensor };

interface BoundScatter {
  readonly inputs: readonly Tensor[];
  readonly attrs: ScatterAttrs;
  readonly op: typeof scatterSourceOp;
  readonly out: Tensor | null;
}

function bindScatter(args: readonly unknown[]): BoundScatter {
  const [x, dim, index, given, value, reduce, out] = bind(
    "scatter(Tensor self, int dim, Tensor index, Operand? src=None, *, Scalar? value=None, str? reduce=None, Tensor? out=None)",
    args,
  ) as [Tensor, number, Tensor, Tensor | Scalar | null, Scalar | null, string | null, Tensor | null];
  const src = given ?? value;
  if (src === null) throw new TypeError("scatter() missing 1 required positional argument: 'src'");
  if (reduce !== null && reduce !== "add" && reduce !== "multiply") {
    throw new RuntimeError("reduce argument must be either add or multiply.");
  }
  const at = checkScatter("scatter", x, dim, index, src instanceof Tensor ? src : null);
  const source = src instanceof Tensor ? src : scalarTensor(src, x.dtype);
  const mode = reduce === null ? "set" : reduce === "add" ? "add" : "mul";
  const op = reduce !== null ? scatterModeOp : src instanceof Tensor ? scatterSourceOp : scatterValueOp;
  return { inputs: [x, index, source], attrs: { dim: at, mode }, op, out };
}

/**
 * A copy of `self` in which the elements that `index` says along `dim` are those of `src`, a tensor or a number. With
 * `reduce` they are added or multiplied.
 */
export function scatter(
  self: Tensor,
  dim: number,
  index: Tensor,
  src?: Tensor | Scalar | ScatterOptions,
  options?: ScatterOptions,
): Tensor {
  const { inputs, attrs, op, out } = bindScatter([self, dim, index, src, options]);
  const result = op.call(inputs, attrs);
  return intoOut(out, result);
}

/** `scatter` in place. */
export function scatter_(
  self: Tensor,
  dim: number,
  index: Tensor,
  src?: Tensor | Scalar | ScatterOptions,
  options?: ScatterOptions,
): Tensor {
  const { inputs, attrs, op } = bindScatter([self, dim, index, src, options]);
  return op.inplace(inputs, attrs);
}

function bindScatterAdd(args: readonly unknown[]): { inputs: Tensor[]; attrs: ScatterAttrs; out: Tensor | null } {
  const [x, dim, index, src, out] = bind(
    "scatter_add(Tensor self, int dim, Tensor index, Tensor src, *, Tensor? out=None)",
    args,
  ) as [Tensor, number, Tensor, Tensor, Tensor | null];
  return { inputs: [x, index, src], attrs: { dim: checkScatter("scatter_add", x, dim, index, src), mode: "add" }, out };
}

/** A copy of `self` with the elements of `src` added at the places that `index` says along `dim`. */
export function scatter_add(self: Tensor, dim: number, index: Tensor, src: Tensor, options?: { out?: Tensor }): Tensor {
  const { inputs, attrs, out } = bindScatterAdd([self, dim, index, src, options]);
  const result = scatterAddOp.call(inputs, attrs);
  return intoOut(out, result);
}

/** `scatter_add` in place. */
export function scatter_add_(self: Tensor, dim: number, index: Tensor, src: Tensor): Tensor {
  const { inputs, attrs } = bindScatterAdd([self, dim, index, src]);
  return scatterAddOp.inplace(inputs, attrs);
}

/** Indices with negative ones, which count from the end, made positive. */
function fromStart(index: Tensor, size: number): Tensor {
  checkIndices(index, size, true, (value) => outOfBounds(0, size)(value));
  const words = elementsOf(allValues(index).contiguous()) as BigInt64Array;
  const negative = words.some((word) => word < 0n);
  return negative ? index.add(index.lt(0).mul(size)) : index;
}

/** The elements of `self` at `indices` along `dim`, both broadcast together; without `dim` of the flattened tensors. */
export function take_along_dim(
  self: Tensor,
  indices: Tensor,
  dim?: number | null | { dim?: number | null; out?: Tensor },
  options?: { out?: Tensor },
): Tensor {
  const [x, index, d, out] = bind("take_along_dim(Tensor self, Tensor indices, int? dim=None, *, Tensor? out=None)", [
    self,
    indices,
    dim,
    options,
  ]) as [Tensor, Tensor, number | null, Tensor | null];
  if (index.dtype !== dt.int64) {
    throw new RuntimeError(
      `torch.take_along_dim(): dtype of indices should be Long but got ${dt.scalarTypeName(index.dtype)}`,
    );
  }
  let result: Tensor;
  if (d === null) result = x.reshape(-1).gather(0, fromStart(index.reshape(-1), x.numel()));
  else {
    if (x.ndim !== index.ndim) {
      throw new RuntimeError(
        `torch.take_along_dim(): input and indices should have the same number of dimensions, but got ${x.ndim} dimensions for input, and ${index.ndim} dimensions for indices`,
      );
    }
    const at = normalizeDim(d, x.ndim);
    const common = x.shape.map((s, k) => (k === at ? -1 : s === 1 ? index.shape[k] : s));
    result = x.expand(common).gather(at, fromStart(index, sizeAt(x, at)).expand(common));
  }
  return intoOut(out, result);
}
