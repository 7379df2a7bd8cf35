/** Resampling: https://pytorch.org/docs/stable/nn.html#vision-layers */
import { pythonFloat, pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import type { InterpolateOptions } from "../functional/interpolate.ts";
import * as F from "../functional.ts";
import { Module } from "../module.ts";
import { type Arguments, layerArguments } from "../options.ts";

/** Keyword arguments of `Upsample`: see `F.interpolate`. */
export type UpsampleOptions = Omit<InterpolateOptions, "antialias">;

type Sizes = number | readonly number[] | null;

function upsampleText(module: { size: Sizes; scale_factor: Sizes; mode: string }): string {
  // PyTorch keeps factors as floats.
  const floats = (x: Sizes): unknown => (Array.isArray(x) ? x.map(pythonFloat) : pythonFloat(x as number));
  const { size, scale_factor, mode } = module;
  const what = scale_factor !== null ? `scale_factor=${pythonRepr(floats(scale_factor))}` : `size=${pythonRepr(size)}`;
  return `${what}, mode=${pythonRepr(mode)}`;
}

/** Resamples (N, C, …) to `size` or by `scale_factor`: "nearest", "linear", "bilinear", "bicubic" or "trilinear". */
export class Upsample extends Module {
  size: Sizes;
  scale_factor: Sizes;
  mode: NonNullable<InterpolateOptions["mode"]>;
  align_corners: boolean | null;
  recompute_scale_factor: boolean | null;

  constructor(
    ...args: Arguments<
      UpsampleOptions,
      [],
      [
        size?: Sizes,
        scale_factor?: Sizes,
        mode?: InterpolateOptions["mode"],
        align_corners?: boolean | null,
        recompute_scale_factor?: boolean | null,
      ]
    >
  ) {
    super();
    const options = layerArguments<UpsampleOptions>(
      'Upsample.__init__(any? size=None, any? scale_factor=None, str mode="nearest", bool? align_corners=None, bool? recompute_scale_factor=None)',
      args,
    );
    this.size = options.size;
    this.scale_factor = options.scale_factor;
    this.mode = options.mode;
    this.align_corners = options.align_corners;
    this.recompute_scale_factor = options.recompute_scale_factor;
  }

  override forward(input: Tensor): Tensor {
    const { size, scale_factor, mode, align_corners, recompute_scale_factor } = this;
    return F.interpolate(input, size, scale_factor, mode, align_corners, recompute_scale_factor);
  }

  override extra_repr(): string {
    return upsampleText(this);
  }
}

type FixedArguments = Arguments<
  Pick<UpsampleOptions, "size" | "scale_factor">,
  [],
  [size?: Sizes, scale_factor?: Sizes]
>;

/** Resamples (N, C, H, W) with mode "nearest". */
export class UpsamplingNearest2d extends Upsample {
  constructor(...args: FixedArguments) {
    const { size, scale_factor } = layerArguments<Pick<UpsampleOptions, "size" | "scale_factor">>(
      "UpsamplingNearest2d.__init__(any? size=None, any? scale_factor=None)",
      args,
    );
    super({ size, scale_factor, mode: "nearest" });
  }
}

/** Resamples (N, C, H, W) with mode "bilinear" and aligned corners. */
export class UpsamplingBilinear2d extends Upsample {
  constructor(...args: FixedArguments) {
    const { size, scale_factor } = layerArguments<Pick<UpsampleOptions, "size" | "scale_factor">>(
      "UpsamplingBilinear2d.__init__(any? size=None, any? scale_factor=None)",
      args,
    );
    super({ size, scale_factor, mode: "bilinear", align_corners: true });
  }
}
