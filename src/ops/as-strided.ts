/** Views of a storage by sizes and strides, and views of everything. */
import { sameLayout } from "../autograd/layout.ts";
import type { BatchedCall } from "../dispatch.ts";
import type { DType } from "../dtype.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";
import { type Shape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { again } from "./define/batch.ts";
import { type PrimitiveSpec, primitive } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { viewOf } from "./geometry.ts";

interface Geometry {
  readonly sizes: Shape;
  readonly strides: Shape;
  /** Absolute, in elements of the storage. */
  readonly offset: number;
}

/** The attributes of a view of all samples: the geometry of one, and the stride from sample to sample. */
export function wholeGeometry<A extends { sizes: Shape; strides: Shape; offset?: number; dtype?: DType }>(
  call: BatchedCall<A>,
): A {
  const { attrs, size, values, inputs } = call;
  const ratio = attrs.dtype === undefined ? 1 : attrs.dtype.itemsize / inputs[0].dtype.itemsize;
  return {
    ...attrs,
    sizes: [size, ...attrs.sizes],
    strides: [values[0].strides[0] / ratio, ...attrs.strides],
  };
}

const asStridedSpec: PrimitiveSpec<Geometry & { base: Geometry }> = {
  name: "as_strided",
  view: "view",
  batch: (call) => {
    const { sizes, strides, offset } = call.values[0];
    return again(call, { ...wholeGeometry(call), base: { sizes, strides, offset } });
  },
  compute: ([x], { sizes, strides, offset }) => viewOf(x, sizes, strides, offset),
  gradient: (g, c) => [stridedGradient(g, c.attrs, c.attrs.base)],
  forward: ({ attrs, primals: [x], tangents: [t] }) => t && tangentView(x, t, attrs),
};
const asStridedOp = primitive(asStridedSpec);
const asStridedInplaceOp = primitive({ ...asStridedSpec, nodeName: "AsStridedBackward1" });

/** The part of a tangent that lies as the view lies in `x`. */
function tangentView(x: Tensor, tangent: Tensor, { sizes, strides, offset }: Geometry): Tensor {
  if (!sameLayout(x, tangent)) {
    throw new NotImplementedError(
      "as_strided: the tangent of a tensor whose elements share memory has no such view; clone() the tensor before",
    );
  }
  return tangent.as_strided(sizes, strides, tangent.offset + offset - x.offset);
}

/**
 * The gradient of the elements at `base` from that of the elements at `view` of the same memory: added up where elements
 * of the view are the same memory, and shared out where elements of the base are.
 */
function stridedGradient(g: Tensor, view: Geometry, base: Geometry): Tensor {
  const start = Math.min(view.offset, base.offset);
  const extent = ({ sizes, strides, offset }: Geometry): number =>
    offset - start + 1 + sizes.reduce((n, s, d) => n + (s - 1) * strides[d], 0);
  if (base.sizes.includes(0) || view.sizes.includes(0)) return g.new_zeros(base.sizes);
  let memory = g.new_zeros([Math.max(extent(base), extent(view))]);
  memory = memory._as_strided_add(g, view.sizes, view.strides, view.offset - start);
  if (overlaps(base)) {
    const ones = g.new_ones(base.sizes);
    const count = g.new_zeros(memory.sizes)._as_strided_add(ones, base.sizes, base.strides, base.offset - start);
    memory = memory.div(count);
  }
  return memory.as_strided(base.sizes, base.strides, base.offset - start);
}

/** Whether elements may share memory: some stride is less than the extent of the dimensions with smaller strides. */
function overlaps({ sizes, strides }: Geometry): boolean {
  const order = sizes.map((_, d) => d).filter((d) => sizes[d] > 1);
  order.sort((a, b) => strides[a] - strides[b]);
  let extent = 0;
  for (const d of order) {
    if (strides[d] <= extent) return true;
    extent += (sizes[d] - 1) * strides[d];
  }
  return false;
}

/** `as_strided`; `inplace` says that the tensor itself is to become that view. */
export function stridedView(
  self: Tensor,
  size: Shape,
  stride: Shape,
  storage_offset: number | null | undefined,
  inplace: boolean,
): Tensor {
  const [x, sizes, strides, at] = bind("as_strided(Tensor self, int[] size, int[] stride, int? storage_offset=None)", [
    self,
    size,
    stride,
    storage_offset,
  ]) as [Tensor, number[], number[], number | null];
  if (sizes.length !== strides.length) {
    throw new RuntimeError(`mismatch in length of strides and shape`);
  }
  const offset = at ?? x.offset;
  let last = offset;
  for (let i = 0; i < sizes.length; i++) {
    if (sizes[i] < 0 || strides[i] < 0) {
      throw new RuntimeError(
        `as_strided: sizes and strides must not be negative, got ${shapeText(sizes)} and ${shapeText(strides)}`,
      );
    }
    last += (sizes[i] - 1) * strides[i];
  }
  if (!sizes.includes(0) && (last + 1) * x.dtype.itemsize > x.storage.nbytes) {
    throw new RuntimeError(
      `setStorage: sizes ${shapeText(sizes)}, strides ${shapeText(strides)}, storage offset ${offset}, and itemsize ${x.dtype.itemsize} requiring a storage size of ${(last + 1) * x.dtype.itemsize} are out of bounds for storage of size ${x.storage.nbytes}`,
    );
  }
  const base = { sizes: x.sizes, strides: x.strides, offset: x.offset };
  return (inplace ? asStridedInplaceOp : asStridedOp)([x], { sizes, strides, offset, base });
}

const aliasOp = primitive<null>({
  name: "alias",
  view: "view",
  batch: (call) => again(call),
  compute: ([x]) => viewOf(x, x.sizes, x.strides),
  gradient: (g) => [g],
  forward: "linear",
});

/** A view of everything. */
export function alias(x: Tensor): Tensor {
  return aliasOp([x], null);
}
