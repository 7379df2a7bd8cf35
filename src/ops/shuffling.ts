/** Elements moved between channels and space: pixel shuffles and channel shuffles. */

import { NotImplementedError, RuntimeError } from "../errors.ts";
import { type Shape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { copied } from "./copy.ts";
import { intoFirstDim, sameForAll } from "./define/batch.ts";
import { type PrimitiveCall, primitive } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { viewOf } from "./geometry.ts";

interface Factor {
  readonly factor: number;
}

/** A copy of `x`, its dimensions split into `parts` each, taken in `order`, with sizes `sizes`. */
function rearranged(x: Tensor, parts: readonly Shape[], order: readonly number[], sizes: Shape): Tensor {
  const split: number[] = [];
  const strides: number[] = [];
  parts.forEach((part, d) => {
    let step = x.strides[d];
    const own = part.map(() => 0);
    for (let i = part.length - 1; i >= 0; i--) {
      own[i] = step;
      step *= part[i];
    }
    split.push(...part);
    strides.push(...own);
  });
  const view = viewOf(
    x,
    order.map((k) => split[k]),
    order.map((k) => strides[k]),
  );
  const plain = copied(view, { dtype: x.dtype, format: "contiguous_format" });
  const steps = sizes.map((_, d) => sizes.slice(d + 1).reduce((n, s) => n * Math.max(s, 1), 1));
  return viewOf(plain, sizes, steps);
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

function shufflePixels(x: Tensor, r: number): Tensor {
  const lead = x.sizes.length - 3;
  const before = x.sizes.slice(0, lead);
  const [c, h, w] = x.sizes.slice(lead);
  const channels = c / (r * r);
  const order = [...range(0, lead), lead, lead + 3, lead + 1, lead + 4, lead + 2];
  return rearranged(x, [...before.map((s) => [s]), [channels, r, r], [h], [w]], order, [
    ...before,
    channels,
    h * r,
    w * r,
  ]);
}

function unshufflePixels(x: Tensor, r: number): Tensor {
  const lead = x.sizes.length - 3;
  const before = x.sizes.slice(0, lead);
  const [c, h, w] = x.sizes.slice(lead);
  const order = [...range(0, lead), lead, lead + 2, lead + 4, lead + 1, lead + 3];
  const parts = [...before.map((s) => [s]), [c], [h / r, r], [w / r, r]];
  return rearranged(x, parts, order, [...before, c * r * r, h / r, w / r]);
}

const pixelShuffleOp: PrimitiveCall<Factor> = primitive<Factor>({
  name: "pixel_shuffle",
  batch: sameForAll,
  compute: ([x], { factor }) => shufflePixels(x, factor),
  gradient: (g, c) => [pixelUnshuffleOp([g], c.attrs)],
});

const pixelUnshuffleOp: PrimitiveCall<Factor> = primitive<Factor>({
  name: "pixel_unshuffle",
  batch: sameForAll,
  compute: ([x], { factor }) => unshufflePixels(x, factor),
  gradient: (g, c) => [pixelShuffleOp([g], c.attrs)],
});

function requireImages(op: string, x: Tensor): void {
  if (x.sizes.length < 3) {
    throw new RuntimeError(
      `${op} expects input to have at least 3 dimensions, but got input with ${x.sizes.length} dimension(s)`,
    );
  }
}

/** (*, C·r², H, W) as (*, C, H·r, W·r): Shi et al., 2016. */
export function pixel_shuffle(self: Tensor, upscale_factor: number | { upscale_factor: number }): Tensor {
  const [x, r] = bind("pixel_shuffle(Tensor self, int upscale_factor)", [self, upscale_factor]) as [Tensor, number];
  requireImages("pixel_shuffle", x);
  if (r <= 0) throw new RuntimeError(`pixel_shuffle expects a positive upscale_factor, but got ${r}`);
  const channels = x.sizes[x.sizes.length - 3];
  if (channels % (r * r) !== 0) {
    throw new RuntimeError(
      `pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but input.size(-3)=${channels} is not divisible by ${r * r}`,
    );
  }
  return pixelShuffleOp([x], { factor: r });
}

/** (*, C, H·r, W·r) as (*, C·r², H, W). */
export function pixel_unshuffle(self: Tensor, downscale_factor: number | { downscale_factor: number }): Tensor {
  const [x, r] = bind("pixel_unshuffle(Tensor self, int downscale_factor)", [self, downscale_factor]) as [
    Tensor,
    number,
  ];
  requireImages("pixel_unshuffle", x);
  if (r <= 0) throw new RuntimeError(`pixel_unshuffle expects a positive downscale_factor, but got ${r}`);
  ["height", "width"].forEach((name, i) => {
    const size = x.sizes[x.sizes.length - 2 + i];
    if (size % r !== 0) {
      throw new RuntimeError(
        `pixel_unshuffle expects ${name} to be divisible by downscale_factor, but input.size(${i - 2})=${size} is not divisible by ${r}`,
      );
    }
  });
  return pixelUnshuffleOp([x], { factor: r });
}

function shuffleChannels(x: Tensor, groups: number): Tensor {
  const rest = x.sizes.slice(2).map((s) => [s]);
  const parts = [[x.sizes[0]], [groups, x.sizes[1] / groups], ...rest];
  return rearranged(x, parts, [0, 2, 1, ...range(3, rest.length)], x.sizes);
}

const channelShuffleOp: PrimitiveCall<Factor> = primitive<Factor>({
  name: "channel_shuffle",
  batch: intoFirstDim(),
  compute: ([x], { factor }) => shuffleChannels(x, factor),
  gradient: (g, c) => [channelShuffleOp([g], { factor: c.shape(0)[1] / c.attrs.factor })],
});

function boundGroups(name: string, self: Tensor, groups: unknown): [Tensor, number] {
  const [x, count] = bind(`${name}(Tensor self, int groups)`, [self, groups]) as [Tensor, number];
  if (x.sizes.length <= 2) {
    throw new RuntimeError(
      `channel_shuffle expects input with > 2 dims, but got input with sizes ${shapeText(x.sizes)}`,
    );
  }
  if (count <= 0) {
    throw new RuntimeError(`Number of groups to divide channels in must be positive. Value of groups:${count}`);
  }
  if (x.sizes[1] % count !== 0) {
    throw new RuntimeError(
      `Number of channels must be divisible by groups. Got ${x.sizes[1]} channels and ${count} groups.`,
    );
  }
  return [x, count];
}

/** The channels (N, C, …) dealt out: those of `groups` groups in turn. */
export function channel_shuffle(self: Tensor, groups: number | { groups: number }): Tensor {
  const [x, factor] = boundGroups("channel_shuffle", self, groups);
  return channelShuffleOp([x], { factor });
}

const nativeChannelShuffleOp: PrimitiveCall<Factor> = primitive<Factor>({
  name: "native_channel_shuffle",
  batch: intoFirstDim(),
  nodeName: "NotImplemented",
  compute: ([x], { factor }) => shuffleChannels(x, factor),
  gradient: () => {
    throw new NotImplementedError("derivative for aten::native_channel_shuffle is not implemented");
  },
});

/** `channel_shuffle` without a gradient, as PyTorch has it. */
export function native_channel_shuffle(self: Tensor, groups: number | { groups: number }): Tensor {
  const [x, factor] = boundGroups("native_channel_shuffle", self, groups);
  return nativeChannelShuffleOp([x], { factor });
}
