/** Values out of tensors: numbers, nested arrays, typed arrays, text. */
import { tangentsMayExist } from "../autograd/dual-level.ts";
import { tangentOf } from "../autograd/tangents.ts";
import { float32 } from "../dtype.ts";
import { type ElementArray, elementArray, fromBFloat16, fromFloat16 } from "../elements.ts";
import { RuntimeError } from "../errors.ts";
import { tensorToString } from "../print/index.ts";
import { pythonFloat, pythonRepr } from "../print/python-format.ts";
import { heap } from "../storage/storage.ts";
import { Tensor, type Wrapping } from "../tensor.ts";
import { isBatched } from "../wrapping.ts";

export type Value = number | bigint | boolean;
export type NestedValues = Value | NestedValues[];

/** Reads the element at a byte address. int64 gives a number while it is a safe integer, else a bigint. */
function reader(tensor: Tensor): (element: number) => Value {
  // The address first: bringing spilled memory back may replace the heap's buffer.
  const base = tensor.storage.address;
  const buffer = heap.memory.buffer;
  switch (tensor.dtype.name) {
    case "bool": {
      const a = new Uint8Array(buffer, base);
      return (i) => a[i] !== 0;
    }
    case "uint8": {
      const a = new Uint8Array(buffer, base);
      return (i) => a[i];
    }
    case "int8": {
      const a = new Int8Array(buffer, base);
      return (i) => a[i];
    }
    case "int16": {
      const a = new Int16Array(buffer, base);
      return (i) => a[i];
    }
    case "int32": {
      const a = new Int32Array(buffer, base);
      return (i) => a[i];
    }
    case "int64": {
      const a = new BigInt64Array(buffer, base);
      return (i) => {
        const value = a[i];
        const n = Number(value);
        return Number.isSafeInteger(n) ? n : value;
      };
    }
    case "float16": {
      const a = new Uint16Array(buffer, base);
      return (i) => fromFloat16(a[i]);
    }
    case "bfloat16": {
      const a = new Uint16Array(buffer, base);
      return (i) => fromBFloat16(a[i]);
    }
    case "float32": {
      const a = new Float32Array(buffer, base);
      return (i) => a[i];
    }
    case "float64": {
      const a = new Float64Array(buffer, base);
      return (i) => a[i];
    }
  }
}

/** The only value of a tensor with one element. */
export function item(self: Tensor): Value {
  if (self.count !== 1) {
    throw new RuntimeError(`a Tensor with ${self.count} elements cannot be converted to Scalar`);
  }
  if (self.wrapping !== null && isBatched(self)) {
    throw new RuntimeError(
      "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor, please try to rewrite what you're doing with other operations. If error is occurring somewhere inside PyTorch internals, please file a bug report.",
    );
  }
  if (self.dtype === float32) return heap.f32[(self.storage.address >>> 2) + self.offset];
  return reader(self)(self.offset);
}

/** The values as nested arrays; a 0-dimensional tensor gives its value. */
export function tolist(self: Tensor): NestedValues {
  const read = reader(self);
  const walk = (dim: number, at: number): NestedValues => {
    if (dim === self.sizes.length) return read(at);
    const out: NestedValues[] = [];
    for (let i = 0; i < self.sizes[dim]; i++) out.push(walk(dim + 1, at + i * self.strides[dim]));
    return out;
  };
  return walk(0, self.offset);
}

/**
 * A copy of the elements in row-major order: Float32Array for float32, BigInt64Array for int64, Uint8Array for bool,
 * Uint16Array with the bits of float16 and bfloat16.
 */
export function typed_array(self: Tensor): ElementArray {
  const x = self.contiguous();
  const start = x.storage.address + x.offset * x.dtype.itemsize;
  const bytes = heap.u8.slice(start, start + x.count * x.dtype.itemsize);
  return elementArray(x.dtype, bytes.buffer, 0, x.count);
}

/** PyTorch's text of this tensor. */
function text(self: Tensor): string {
  if (self.wrapping !== null) return wrappedText(self.wrapping);
  const read = reader(self);
  const { sizes, strides, offset } = self;
  const valueAt = (position: number): Value => {
    let at = offset;
    let rest = position;
    for (let d = sizes.length - 1; d >= 0; d--) {
      at += (rest % sizes[d]) * strides[d];
      rest = Math.floor(rest / sizes[d]);
    }
    return read(at);
  };
  return tensorToString({
    shape: sizes,
    dtype: self.dtype,
    valueAt,
    requires_grad: self.requires_grad,
    grad_fn_name: gradFnName(self),
    tangent: tangentText(self),
    is_parameter: (self as { isParameter?: boolean }).isParameter === true,
  });
}

/** The text of a tensor inside a transformation: that of what it stands for, with its level. */
function wrappedText({ level, value, batchDim }: Wrapping): string {
  const inner = text(value).replaceAll("\n", "\n    ");
  if (level.kind === "vmap") return `BatchedTensor(lvl=${level.number}, bdim=${batchDim}, value=\n    ${inner}\n)`;
  if (level.kind === "functionalize") return `FunctionalTensor(lvl=${level.number}, value=\\\n${text(value)})`;
  // PyTorch's number for a level that is over.
  return `GradTrackingTensor(lvl=${level.alive ? level.number : -2}, value=\n    ${inner}\n)`;
}

export { text as toString };

Object.defineProperty(Tensor.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: Tensor): string {
    return text(this);
  },
});

Object.defineProperty(Tensor.prototype, Symbol.iterator, {
  value: function* (this: Tensor): Generator<Tensor> {
    if (this.sizes.length === 0) throw new TypeError("iteration over a 0-d tensor");
    yield* this.unbind(0);
  },
});

Object.defineProperty(Tensor.prototype, Symbol.toPrimitive, {
  value(this: Tensor, hint: string): number | bigint | boolean | string {
    if (hint === "string") return text(this);
    throw new TypeError(
      "JavaScript operators do not work on tensors: write a.add(b) for a + b, a.lt(b) for a < b, and x.item() for the number",
    );
  },
});

/** As Python's format() gives it: a number where there is only one. */
function tangentText(self: Tensor): string | null {
  const tangent = tangentsMayExist() ? tangentOf(self) : null;
  if (tangent === null) return null;
  return tangent.sizes.length === 0 ? pythonRepr(pythonFloat(tangent.item() as number)) : text(tangent);
}

/** The node's name; a view whose history was invalidated by an in-place change has none, and is printed all the same. */
function gradFnName(self: Tensor): string | null {
  try {
    return self.historyNode?.name().replace("torch::autograd::", "") ?? null;
  } catch {
    return "Invalid";
  }
}
