/** Sliding blocks of images as columns of matrices, and back: `im2col` and `col2im`. */

import * as dt from "../dtype.ts";
import { IndexError, RuntimeError } from "../errors.ts";
import { contiguousStrides, type Shape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { copied, copyInto, fillWith } from "./copy.ts";
import { intoFirstDim } from "./define/batch.ts";
import { type PrimitiveCall, primitive } from "./define/primitive.ts";
import { viewOf } from "./geometry.ts";
import { allocate, runRow } from "./row.ts";

/** Everything in pairs: height, width. */
interface Blocks {
  readonly image: Shape;
  readonly kernel: Shape;
  readonly dilation: Shape;
  readonly padding: Shape;
  readonly stride: Shape;
}

/** How many blocks there are along each dimension. */
function blockCounts({ image, kernel, dilation, padding, stride }: Blocks): number[] {
  return image.map((s, d) => Math.floor((s + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1) / stride[d]) + 1);
}

/** The elements of a padded image (N, C, H, W) as (N, C, kernel…, blocks…). */
function blockView(x: Tensor, b: Blocks): Tensor {
  const [n, c, h, w] = x.strides;
  return viewOf(
    x,
    [x.sizes[0], x.sizes[1], ...b.kernel, ...blockCounts(b)],
    [n, c, h * b.dilation[0], w * b.dilation[1], h * b.stride[0], w * b.stride[1]],
  );
}

/** Part of a padded image: the image itself. */
function inside(padded: Tensor, b: Blocks): Tensor {
  const [, , h, w] = padded.strides;
  const offset = padded.offset + b.padding[0] * h + b.padding[1] * w;
  return viewOf(padded, [padded.sizes[0], padded.sizes[1], ...b.image], padded.strides, offset);
}

const isPadded = (b: Blocks): boolean => b.padding.some((p) => p > 0);

function paddedZeros(dtype: dt.DType, lead: Shape, b: Blocks): Tensor {
  const out = allocate(dtype, [...lead, ...b.image.map((s, d) => s + 2 * b.padding[d])]);
  fillWith(out, 0);
  return out;
}

function toColumns(x: Tensor, b: Blocks): Tensor {
  let source = x;
  if (isPadded(b)) {
    source = paddedZeros(x.dtype, x.sizes.slice(0, 2), b);
    copyInto(inside(source, b), x);
  }
  const blocks = copied(blockView(source, b), { dtype: x.dtype, format: "contiguous_format" });
  const counts = blockCounts(b);
  const sizes = [x.sizes[0], x.sizes[1] * b.kernel[0] * b.kernel[1], counts[0] * counts[1]];
  return viewOf(blocks, sizes, contiguousStrides(sizes));
}

function fromColumns(columns: Tensor, b: Blocks): Tensor {
  const [kh, kw] = b.kernel;
  const counts = blockCounts(b);
  const n = columns.sizes[0];
  const c = columns.sizes[1] / (kh * kw);
  const image = paddedZeros(columns.dtype, [n, c], b);
  const target = blockView(image, b);
  const [sn, sc, sl] = columns.strides;
  // Blocks overlap, but those of one tap do not: a tap is added at a time.
  const tap = (t: Tensor, strides: Shape, at: number): Tensor => viewOf(t, [n, c, ...counts], strides, t.offset + at);
  for (let i = 0; i < kh; i++) {
    for (let j = 0; j < kw; j++) {
      const [a, e, di, dj, y, x] = target.strides;
      const into = tap(target, [a, e, y, x], i * di + j * dj);
      const from = tap(columns, [sn, sc * kh * kw, counts[1] * sl, sl], (i * kw + j) * sc);
      runRow({
        name: "col2im",
        key: "col2im",
        outer: into.sizes,
        inner: [],
        operands: [
          { tensor: into, outer: into.strides, inner: [] },
          { tensor: from, outer: from.strides, inner: [] },
          { tensor: into, outer: into.strides, inner: [] },
        ],
        outputs: 1,
        build: ([sum, value], row) => row.store(2, sum.type === "bool" ? sum.or(value) : sum.add(value)),
      });
    }
  }
  return isPadded(b) ? copied(inside(image, b), { dtype: columns.dtype, format: "contiguous_format" }) : image;
}

const unfoldOp: PrimitiveCall<Blocks> = primitive<Blocks>({
  name: "im2col",
  batch: intoFirstDim(),
  nodeName: "Im2ColBackward",
  compute: ([x], b) => toColumns(x, b),
  gradient: (g, c) => [foldOp([g], c.attrs)],
});

const foldOp: PrimitiveCall<Blocks> = primitive<Blocks>({
  name: "col2im",
  batch: intoFirstDim(),
  nodeName: "Col2ImBackward",
  compute: ([x], b) => fromColumns(x, b),
  gradient: (g, c) => [unfoldOp([g], c.attrs)],
});

const tuple = (list: Shape): string => `(${list.join(", ")})`;

function checkBlocks(b: Blocks): void {
  const positive = (name: "kernel" | "stride" | "dilation", label: string): void => {
    const [h, w] = b[name];
    if (h <= 0 || w <= 0) {
      throw new RuntimeError(`${label} should be greater than zero, but got ${name}_height: ${h} ${name}_width: ${w}`);
    }
  };
  positive("kernel", "kernel size");
  positive("dilation", "dilation");
  if (b.padding.some((p) => p < 0)) {
    throw new RuntimeError(
      `padding should be non-negative, but got pad_height: ${b.padding[0]} pad_width: ${b.padding[1]}`,
    );
  }
  positive("stride", "stride");
}

/** @internal What `nn.functional.unfold` does: the blocks of (N, C, H, W) or (C, H, W) as columns. */
export function unfoldBlocks(x: Tensor, options: Omit<Blocks, "image">): Tensor {
  const rank = x.sizes.length;
  if (rank < 2) throw new IndexError("Dimension out of range (expected to be in range of [-1, 0], but got 1)");
  const b: Blocks = { ...options, image: x.sizes.slice(-2) };
  checkBlocks(b);
  const own = rank === 4 ? x.sizes.slice(1) : x.sizes;
  if ((rank !== 3 && rank !== 4) || own.includes(0)) {
    throw new RuntimeError(
      `Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got: ${shapeText(x.sizes)}`,
    );
  }
  const counts = blockCounts(b);
  if (counts.some((s) => s < 1)) {
    throw new RuntimeError(
      `Given input with spatial size ${tuple(b.image)}, kernel_size=${tuple(b.kernel)}, dilation=${tuple(b.dilation)}, padding=${tuple(b.padding)}, calculated shape of the array of sliding blocks as ${tuple(counts)}, but its components must be at least one.`,
    );
  }
  if (!x.dtype.is_floating_point && x.dtype !== dt.bool) dt.notImplementedFor("im2col_out_cpu", x.dtype);
  return rank === 4 ? unfoldOp([x], b) : unfoldOp([x.unsqueeze(0)], b).squeeze(0);
}

/** @internal What `nn.functional.fold` does: sums of the columns of (N, C·kernel, blocks) at the places of their blocks. */
export function foldBlocks(x: Tensor, b: Blocks): Tensor {
  const rank = x.sizes.length;
  checkBlocks(b);
  const own = rank === 3 ? x.sizes.slice(1) : x.sizes;
  if ((rank !== 2 && rank !== 3) || own.includes(0)) {
    throw new RuntimeError(
      `Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, but got: ${shapeText(x.sizes)}`,
    );
  }
  const [rows, columns] = own;
  if (rows % (b.kernel[0] * b.kernel[1]) !== 0) {
    throw new RuntimeError(
      `Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)=${rows} and kernel_size=${tuple(b.kernel)}.`,
    );
  }
  const counts = blockCounts(b);
  const geometry = `Given output_size=${tuple(b.image)}, kernel_size=${tuple(b.kernel)}, dilation=${tuple(b.dilation)}, padding=${tuple(b.padding)}, stride=${tuple(b.stride)}, `;
  if (counts[0] * counts[1] !== columns || counts.some((s) => s < 1)) {
    throw new RuntimeError(
      counts.some((s) => s < 1)
        ? `${geometry}calculated shape of the array of sliding blocks as ${tuple(counts)}, which is too small (non-positive)`
        : `${geometry}expected size of input's dimension 2 to match the calculated number of sliding blocks ${counts[0]} * ${counts[1]} = ${counts[0] * counts[1]}, but got input.size(2)=${columns}.`,
    );
  }
  if (!x.dtype.is_floating_point && x.dtype !== dt.bool) dt.notImplementedFor("col2im_out_cpu", x.dtype);
  return rank === 3 ? foldOp([x], b) : foldOp([x.unsqueeze(0)], b).squeeze(0);
}
