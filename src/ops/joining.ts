/** Joining tensors. */
import type { DType } from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { normalizeDim, shapeText } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { copyInto } from "./copy.ts";
import { primitive } from "./define/primitive.ts";
import { resultType } from "./define/promote.ts";
import { bind } from "./define/schema.ts";
import { allocate } from "./row.ts";

const catOp = primitive<{ dim: number; dtype: DType }>({
  name: "cat",
  compute: (inputs, { dim, dtype }) => {
    const parts = inputs.filter((x) => !isSkipped(x));
    if (parts.length === 0) return allocate(dtype, [0]);
    const sizes = parts[0].sizes.slice();
    sizes[dim] = parts.reduce((n, x) => n + x.sizes[dim], 0);
    const out = allocate(dtype, sizes);
    let at = 0;
    for (const x of parts) {
      if (x.count > 0) {
        copyInto(new Tensor(out.storage, dtype, x.sizes, out.strides, at * out.strides[dim]), x);
      }
      at += x.sizes[dim];
    }
    return out;
  },
  gradient: (g, c) => {
    let at = 0;
    return Array.from({ length: c.inputCount }, (_, i) => {
      const size = c.shape(i);
      if (size.length === 1 && size[0] === 0) return c.needs(i) ? g.new_zeros([0]) : null;
      const from = at;
      at += size[c.attrs.dim];
      return c.needs(i) ? g.narrow(c.attrs.dim, from, size[c.attrs.dim]) : null;
    });
  },
});

/** PyTorch ignores one-dimensional empty tensors in `cat`, for the sake of old programs. */
function isSkipped(x: Tensor): boolean {
  return x.sizes.length === 1 && x.sizes[0] === 0;
}

/** The tensors one after another along `dim`, which exists in all of them. */
export function cat(
  tensors: readonly Tensor[],
  dim?: number | { dim?: number; out?: Tensor },
  options?: { out?: Tensor },
): Tensor {
  const [list, d, out] = bind("cat(Tensor[] tensors, int dim=0, *, Tensor? out=None)", [tensors, dim, options]) as [
    readonly Tensor[],
    number,
    Tensor | null,
  ];
  if (list.length === 0) throw new RuntimeError("torch.cat(): expected a non-empty list of Tensors");
  list.forEach((x, i) => {
    if (x.sizes.length === 0) {
      throw new RuntimeError(`zero-dimensional tensor (at position ${i}) cannot be concatenated`);
    }
  });
  const first = list.find((x) => !isSkipped(x)) ?? list[0];
  const at = normalizeDim(d, first.sizes.length);
  list.forEach((x, i) => {
    if (isSkipped(x)) return;
    if (x.sizes.length !== first.sizes.length) {
      throw new RuntimeError(
        `Tensors must have same number of dimensions: got ${first.sizes.length} and ${x.sizes.length}`,
      );
    }
    x.sizes.forEach((s, k) => {
      if (k !== at && s !== first.sizes[k]) {
        throw new RuntimeError(
          `Sizes of tensors must match except in dimension ${at}. Expected size ${first.sizes[k]} but got size ${s} for tensor number ${i} in the list.`,
        );
      }
    });
  });
  const result = catOp(list, { dim: at, dtype: resultType(list) });
  return out === null ? result : out.copyResult_(result);
}

/** The tensors, all of one shape, along a new dimension `dim`. */
export function stack(
  tensors: readonly Tensor[],
  dim?: number | { dim?: number; out?: Tensor },
  options?: { out?: Tensor },
): Tensor {
  const [list, d, out] = bind("stack(Tensor[] tensors, int dim=0, *, Tensor? out=None)", [tensors, dim, options]) as [
    readonly Tensor[],
    number,
    Tensor | null,
  ];
  if (list.length === 0) throw new RuntimeError("stack expects a non-empty TensorList");
  const sizes = list[0].sizes;
  const at = normalizeDim(d, sizes.length + 1);
  list.forEach((x, i) => {
    if (x.sizes.length !== sizes.length || x.sizes.some((s, k) => s !== sizes[k])) {
      throw new RuntimeError(
        `stack expects each tensor to be equal size, but got ${shapeText(sizes)} at entry 0 and ${shapeText(x.sizes)} at entry ${i}`,
      );
    }
  });
  const result = cat(
    list.map((x) => x.unsqueeze(at)),
    at,
  );
  return out === null ? result : out.copyResult_(result);
}
