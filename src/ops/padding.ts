/** Padding: with a constant, and with copies of the tensor's own elements. */

import { NotImplementedError, RuntimeError } from "../errors.ts";
import { channelsLastStrides, prefersChannelsLast, type Shape, shapeText } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { copyInto, fillWith } from "./copy.ts";
import { inFront, sameForAll } from "./define/batch.ts";
import { type PrimitiveCall, primitive } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { type MirrorMode, type MirrorPadding, mirrorPad, mirrorPadBackward } from "./padding-kernels.ts";
import { allocate } from "./row.ts";

interface ConstantPadAttrs {
  /** (before, after) for the last dimension, then for the one before it, and so on. Negative values cut off. */
  readonly pad: Shape;
  readonly value: number | bigint | boolean;
}

const constantPadOp: PrimitiveCall<ConstantPadAttrs> = primitive<ConstantPadAttrs>({
  name: "constant_pad_nd",
  batch: sameForAll,
  compute: ([x], { pad, value }) => {
    const rank = x.sizes.length;
    const sizes = x.sizes.slice();
    const inside = x.sizes.slice();
    const starts = x.sizes.map(() => [0, 0]);
    for (let i = 0; i < pad.length / 2; i++) {
      const d = rank - 1 - i;
      const [before, after] = [pad[2 * i], pad[2 * i + 1]];
      sizes[d] += before + after;
      inside[d] += Math.min(0, before) + Math.min(0, after);
      starts[d] = [Math.max(0, -before), Math.max(0, before)];
    }
    const last = prefersChannelsLast(x.sizes, x.strides);
    const out = allocate(x.dtype, sizes, last ? channelsLastStrides(sizes) : undefined);
    if (out.count === 0) return out;
    fillWith(out, value);
    if (inside.some((s) => s <= 0)) return out;
    const at = (t: Tensor, side: 0 | 1): Tensor =>
      new Tensor(
        t.storage,
        t.dtype,
        inside,
        t.strides,
        starts.reduce((o, s, d) => o + s[side] * t.strides[d], t.offset),
      );
    copyInto(at(out, 1), at(x, 0));
    return out;
  },
  gradient: (g, c) => [constantPadOp([g], { pad: c.attrs.pad.map((p) => -p), value: 0 })],
});

/** `self` with `value` around it: `pad` has (before, after) for the last dimension first. Negative numbers cut off. */
export function constant_pad_nd(
  self: Tensor,
  pad: readonly number[],
  value?: number | bigint | { value?: number | bigint },
): Tensor {
  const [x, sides, fill] = bind("constant_pad_nd(Tensor self, int[] pad, Scalar value=0)", [self, pad, value]) as [
    Tensor,
    number[],
    number | bigint | boolean,
  ];
  if (sides.length % 2 !== 0) {
    throw new RuntimeError(`Length of pad must be even but instead it equals ${sides.length}`);
  }
  const rank = x.sizes.length;
  if (sides.length > 2 * rank) {
    throw new RuntimeError(
      `Length of pad should be no more than twice the number of dimensions of the input. Pad length is ${sides.length} while the input has ${rank} dimensions.`,
    );
  }
  for (let i = 0; i < sides.length / 2; i++) {
    const size = x.sizes[rank - 1 - i];
    const [before, after] = [sides[2 * i], sides[2 * i + 1]];
    if (size + before + after < 0) {
      throw new RuntimeError(
        `The input size ${size}, plus negative padding ${before} and ${after} resulted in a negative output size, which is invalid. Check dimension ${rank - 1 - i} of your input.`,
      );
    }
  }
  return constantPadOp([x], { pad: sides, value: fill });
}

interface MirrorAttrs extends MirrorPadding {
  readonly input: Shape;
}

function mirrorOps(mode: MirrorMode, forwardNode: string) {
  const forward: PrimitiveCall<MirrorAttrs> = primitive<MirrorAttrs>({
    name: `${mode}_pad`,
    batch: inFront("input"),
    nodeName: forwardNode,
    compute: ([x], attrs) => mirrorPad(x, attrs),
    gradient: (g, c) => [backward([g], c.attrs)],
  });
  const backward: PrimitiveCall<MirrorAttrs> = primitive<MirrorAttrs>({
    name: `${mode}_pad_backward`,
    batch: inFront("input"),
    nodeName: `${forwardNode}Backward`,
    compute: ([g], attrs) => mirrorPadBackward(g, attrs.input, attrs),
    gradient: (gg, c) => [forward([gg], c.attrs)],
  });
  return forward;
}

const NODE_NAMES: Record<MirrorMode, (dims: number) => string> = {
  reflect: (dims) => `ReflectionPad${dims}DBackward`,
  replicate: (dims) => `ReplicationPad${dims}DBackward`,
  circular: () => "PadCircularBackward",
};
const ops = new Map<string, PrimitiveCall<MirrorAttrs>>();

function mirrorPadding(mode: MirrorMode, x: Tensor, pad: Shape): Tensor {
  const dims = pad.length / 2;
  const rank = x.sizes.length;
  if (!(dims >= 1 && dims <= 3 && (rank === dims + 1 || rank === dims + 2))) {
    throw new NotImplementedError(
      mode === "circular" || dims < 1 || dims > 3
        ? `Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now`
        : `Padding size ${pad.length} is not supported for ${rank}D input tensor.`,
    );
  }
  const own = rank === dims + 1 ? x.sizes : x.sizes.slice(1);
  if (mode !== "circular" && own.includes(0)) {
    throw new RuntimeError(
      `Expected ${dims + 1}D or ${dims + 2}D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got: ${shapeText(x.sizes)}`,
    );
  }
  if (mode === "circular" && pad.some((p) => p < 0)) {
    // What is cut off does not come back on the other side.
    const cropped = constant_pad_nd(
      x,
      pad.map((p) => Math.min(0, p)),
    );
    return mirrorPadding(
      mode,
      cropped,
      pad.map((p) => Math.max(0, p)),
    );
  }
  const before: number[] = [];
  const sizes: number[] = [];
  for (let d = rank - dims; d < rank; d++) {
    const at = 2 * (rank - 1 - d);
    const [first, second] = [pad[at], pad[at + 1]];
    const size = x.sizes[d];
    if (mode === "reflect" && (first >= size || second >= size)) {
      throw new RuntimeError(
        `Argument #${2 * (rank - d) + 2}: Padding size should be less than the corresponding input dimension, but got: padding (${first}, ${second}) at dimension ${d} of input ${shapeText(x.sizes)}`,
      );
    }
    if (mode === "circular" && (first > size || second > size)) {
      throw new RuntimeError("Padding value causes wrapping around more than once.");
    }
    const padded = size + first + second;
    if (mode === "circular" ? padded < 0 : padded < 1) {
      throw new RuntimeError(
        mode === "circular"
          ? "Negative padding value is resulting in an empty dimension"
          : `input (${x.sizes.slice(rank - dims).join(" x ")}) is too small: the padded size ${padded} of dimension ${d} must be at least 1`,
      );
    }
    before.push(first);
    sizes.push(padded);
  }
  const key = `${mode}${dims}`;
  let op = ops.get(key);
  if (op === undefined) ops.set(key, (op = mirrorOps(mode, NODE_NAMES[mode](dims))));
  return op([x], { mode, before, sizes, input: x.sizes });
}

/** @internal What `nn.functional.pad` does after its arguments are bound. */
export function padTensor(x: Tensor, pad: readonly number[], mode: string, value: number | null): Tensor {
  if (pad.length % 2 !== 0) throw new RuntimeError("Padding length must be divisible by 2");
  if (pad.length > 2 * x.sizes.length) {
    throw new RuntimeError(
      `Padding length should be less than or equal to two times the input dimension but got padding length ${pad.length} and input of dimension ${x.sizes.length}`,
    );
  }
  if (mode === "constant") return constant_pad_nd(x, pad, value ?? 0);
  if (value !== null && value !== 0) throw new RuntimeError(`Padding mode "${mode}" doesn't take in value argument`);
  if (mode === "reflect" || mode === "replicate" || mode === "circular") return mirrorPadding(mode, x, pad);
  throw new NotImplementedError(`Unrecognised padding mode ${mode}`);
}
