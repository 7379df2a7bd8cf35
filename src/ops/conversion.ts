/** Copies and changes of dtype and layout. */
import { type Device, requireCpu } from "../device.ts";
import { type BatchedCall, dispatchInplace, type Primitive } from "../dispatch.ts";
import * as dt from "../dtype.ts";
import { DType } from "../dtype.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";
import { broadcastShapes, channelsLastFormat, prefersChannelsLast, sameShape, shapeText } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { type CopyAttrs, copied, copyInto, formatStrides, type MemoryFormat, zerosLike } from "./copy.ts";
import { again, withRank } from "./define/batch.ts";
import { primitive } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { allocate } from "./row.ts";

/** Samples are copied together; each has its channels last where that is asked for. */
function copiedTogether(call: BatchedCall<CopyAttrs>): Tensor | Tensor[] {
  const { format } = call.attrs;
  if (format !== "channels_last" && format !== "channels_last_3d") return again(call);
  const { values } = call;
  const attrs: CopyAttrs = { dtype: call.attrs.dtype, format: "contiguous_format" };
  const last = again(call, attrs, [values[0].movedim(2, -1)]) as Tensor;
  return last.movedim(-1, 2);
}

const cloneOp = primitive<CopyAttrs>({
  name: "clone",
  forward: "linear",
  compute: ([x], attrs) => copied(x, attrs),
  batch: copiedTogether,
  gradient: (g) => [g],
});

const toCopyOp = primitive<CopyAttrs>({
  name: "_to_copy",
  forward: "linear",
  compute: ([x], attrs) => copied(x, attrs),
  batch: copiedTogether,
  gradient: (g, context) => [g.to(context.dtype(0))],
});

const FORMATS: readonly MemoryFormat[] = ["contiguous_format", "preserve_format", "channels_last", "channels_last_3d"];

function checkFormat(name: string, format: unknown): MemoryFormat {
  if (format === null || format === undefined) return "preserve_format";
  if (FORMATS.includes(format as MemoryFormat)) return format as MemoryFormat;
  throw new RuntimeError(`${name}(): unsupported memory format option ${String(format)}`);
}

/** A copy. Keeps the layout of memory where it has no gaps, unless `memory_format` is another than "preserve_format". */
export function clone(self: Tensor, options?: { memory_format?: MemoryFormat }): Tensor {
  const [x, format] = bind("clone(Tensor self, *, any? memory_format=None)", [self, options]) as [Tensor, unknown];
  return cloneOp([x], { dtype: x.dtype, format: checkFormat("clone", format) });
}

/** This tensor if its elements lie in row-major order, or in that of `memory_format`, else a copy where they do. */
export function contiguous(self: Tensor, options?: { readonly memory_format?: MemoryFormat }): Tensor {
  if (options === undefined)
    return self.contiguousLayout ? self : cloneOp([self], { dtype: self.dtype, format: "contiguous_format" });
  const [x, wanted] = bind("contiguous(Tensor self, *, any? memory_format=None)", [self, options]) as [Tensor, unknown];
  const format = checkFormat("contiguous", wanted ?? "contiguous_format");
  if (x.is_contiguous({ memory_format: format })) return x;
  if (format === "preserve_format")
    throw new RuntimeError("preserve memory format is unsupported by the contiguous operator");
  formatStrides(x.sizes, format);
  return cloneOp([x], { dtype: x.dtype, format });
}

/** The format that results made of a tensor have. */
function ownFormat({ sizes, strides }: Tensor): MemoryFormat | null {
  return prefersChannelsLast(sizes, strides) ? channelsLastFormat(sizes.length) : "contiguous_format";
}

/** Options of `to`. */
export interface ToOptions {
  readonly dtype?: DType;
  readonly device?: string | Device;
  readonly copy?: boolean;
  readonly non_blocking?: boolean;
  readonly memory_format?: MemoryFormat;
}

/**
 * This tensor with another dtype, or in another memory format: itself where nothing changes. Takes a dtype, a device, another
 * tensor, or options.
 */
export function to(self: Tensor, target?: DType | string | Device | Tensor | ToOptions, ...rest: unknown[]): Tensor {
  let dtype: unknown = null;
  let device: unknown = null;
  let args: unknown[] = [target, ...rest];
  if (target instanceof DType) {
    dtype = target;
    args = rest;
  } else if (target instanceof Tensor) {
    dtype = target.dtype;
    args = rest;
  } else if (
    typeof target === "string" ||
    (typeof target === "object" && target !== null && "type" in target && "index" in target)
  ) {
    device = target;
    args = rest;
    if (rest[0] instanceof DType) {
      dtype = rest[0];
      args = rest.slice(1);
    }
  }
  const values = bind(
    "to(bool non_blocking=False, bool copy=False, *, dtype? dtype=None, any? device=None, any? memory_format=None)",
    args,
  );
  dtype ??= values[2];
  requireCpu((device ?? values[3]) as string | null);
  const wanted = (dtype ?? self.dtype) as DType;
  const format = checkFormat("to", values[4]);
  const same = format === "preserve_format" || ownFormat(self) === format;
  if (wanted === self.dtype && same && values[1] === false) return self;
  formatStrides(self.sizes, format);
  return toCopyOp([self], { dtype: wanted, format });
}

/** This tensor with the dtype of `other`. */
export function type_as(self: Tensor, other: Tensor): Tensor {
  return to(self, other.dtype);
}

/** This tensor as `dtype`. PyTorch's form without an argument, which gives a name, is not there: see `dtype`. */
export function type(self: Tensor, dtype: DType): Tensor {
  if (!(dtype instanceof DType)) throw new NotImplementedError("type() needs a dtype: the tensor's own is x.dtype");
  return to(self, dtype);
}
/** This tensor as float32; itself if it is float32. */
export function float(self: Tensor): Tensor {
  return to(self, dt.float32);
}
/** This tensor as float64; itself if it is float64. */
export function double(self: Tensor): Tensor {
  return to(self, dt.float64);
}
/** This tensor as float16; itself if it is float16. */
export function half(self: Tensor): Tensor {
  return to(self, dt.float16);
}
/** This tensor as bfloat16; itself if it is bfloat16. */
export function bfloat16(self: Tensor): Tensor {
  return to(self, dt.bfloat16);
}
/** This tensor as int32; itself if it is int32. */
export function int(self: Tensor): Tensor {
  return to(self, dt.int32);
}
/** This tensor as int64; itself if it is int64. */
export function long(self: Tensor): Tensor {
  return to(self, dt.int64);
}
/** This tensor as int16; itself if it is int16. */
export function short(self: Tensor): Tensor {
  return to(self, dt.int16);
}
/** This tensor as int8; itself if it is int8. */
export function char(self: Tensor): Tensor {
  return to(self, dt.int8);
}
/** This tensor as uint8; itself if it is uint8. */
export function byte(self: Tensor): Tensor {
  return to(self, dt.uint8);
}
/** This tensor as bool; itself if it is bool. */
export function bool(self: Tensor): Tensor {
  return to(self, dt.bool);
}
/** This tensor: it is on the CPU. */
export function cpu(self: Tensor): Tensor {
  return self;
}

const copyOp: Primitive<null> = {
  name: "copy_",
  nodeName: "torch::autograd::CopyBackwards",
  elementwise: true,
  compute: (inputs, _, out) => {
    const [self, source] = inputs;
    const target = out ?? allocate(self.dtype, self.sizes);
    // Of tensors with gaps nobody has looked whether they overlap.
    const shared =
      source.storage === target.storage &&
      !(source.offset === target.offset && sameShape(source.strides, target.strides));
    copyInto(target, shared ? copied(source, { dtype: source.dtype, format: "contiguous_format" }) : source);
    return target;
  },
  differentiable: true,
  gradient: (grads, context) => {
    const g = grads[0] as Tensor;
    return [context.needs(0) ? zerosLike(g) : null, g];
  },
  masks: [0, 0],
  view: "none",
  batch: (call) => {
    const [given, source] = call.values;
    const self = call.batched[0] ? given : given.unsqueeze(0).expand(call.size, ...given.sizes);
    return again(call, null, [self, call.batched[1] ? withRank(source, self.sizes.length) : source]);
  },
  forward: "linear",
};

/** Overwrites this tensor with the elements of `source`, broadcast and converted. */
export function copy_(self: Tensor, source: Tensor, options?: { non_blocking?: boolean }): Tensor {
  const [x, y] = bind("copy_(Tensor self, Tensor src, bool non_blocking=False)", [self, source, options]) as [
    Tensor,
    Tensor,
  ];
  const shape = broadcastShapes(x.sizes, y.sizes);
  if (!sameShape(shape, x.sizes)) {
    throw new RuntimeError(
      `output with shape ${shapeText(x.sizes)} doesn't match the broadcast shape ${shapeText(shape)}`,
    );
  }
  return dispatchInplace(copyOp, [x, y], null);
}

/** Whether two layouts are the same; for `set_data`. */
export function is_same_size(self: Tensor, other: Tensor): boolean {
  return sameShape(self.sizes, other.sizes);
}
