/** Layers that move elements between channels and space: https://pytorch.org/docs/stable/nn.html#vision-layers */
import { pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import * as F from "../functional.ts";
import { Module } from "../module.ts";
import { type Arguments, layerArguments, type Pair, type Size } from "../options.ts";

export interface UnfoldOptions {
  readonly kernel_size: Size<Pair>;
  /** Distance between the elements of a block. Default 1. */
  readonly dilation?: Size<Pair>;
  /** Zeros added to both sides. Default 0. */
  readonly padding?: Size<Pair>;
  /** Distance between blocks. Default 1. */
  readonly stride?: Size<Pair>;
}

export interface FoldOptions extends UnfoldOptions {
  /** Height and width of the result. */
  readonly output_size: Size<Pair>;
}

const BLOCKS = "any kernel_size, any dilation=1, any padding=0, any stride=1";

/** The blocks of images (N, C, H, W) as columns: (N, C · kernel elements, blocks). */
export class Unfold extends Module {
  kernel_size: Size<Pair>;
  dilation: Size<Pair>;
  padding: Size<Pair>;
  stride: Size<Pair>;

  constructor(
    ...args: Arguments<
      UnfoldOptions,
      [kernel_size: Size<Pair>],
      [dilation?: Size<Pair>, padding?: Size<Pair>, stride?: Size<Pair>]
    >
  ) {
    super();
    const options = layerArguments<UnfoldOptions>(`Unfold.__init__(${BLOCKS})`, args);
    this.kernel_size = options.kernel_size;
    this.dilation = options.dilation;
    this.padding = options.padding;
    this.stride = options.stride;
  }

  override forward(input: Tensor): Tensor {
    return F.unfold(input, this.kernel_size, this.dilation, this.padding, this.stride);
  }

  override extra_repr(): string {
    return blocksText(this);
  }
}

/** The reverse of Unfold, where elements of several blocks are added up: (N, C · kernel elements, blocks) to (N, C, H, W). */
export class Fold extends Module {
  output_size: Size<Pair>;
  kernel_size: Size<Pair>;
  dilation: Size<Pair>;
  padding: Size<Pair>;
  stride: Size<Pair>;

  constructor(
    ...args: Arguments<
      FoldOptions,
      [output_size: Size<Pair>, kernel_size: Size<Pair>],
      [dilation?: Size<Pair>, padding?: Size<Pair>, stride?: Size<Pair>]
    >
  ) {
    super();
    const options = layerArguments<FoldOptions>(`Fold.__init__(any output_size, ${BLOCKS})`, args);
    this.output_size = options.output_size;
    this.kernel_size = options.kernel_size;
    this.dilation = options.dilation;
    this.padding = options.padding;
    this.stride = options.stride;
  }

  override forward(input: Tensor): Tensor {
    return F.fold(input, this.output_size, this.kernel_size, this.dilation, this.padding, this.stride);
  }

  override extra_repr(): string {
    return `output_size=${pythonRepr(this.output_size)}, ${blocksText(this)}`;
  }
}

function blocksText({ kernel_size, dilation, padding, stride }: Required<UnfoldOptions>): string {
  return `kernel_size=${pythonRepr(kernel_size)}, dilation=${pythonRepr(dilation)}, padding=${pythonRepr(padding)}, stride=${pythonRepr(stride)}`;
}

/** (*, C · r², H, W) as (*, C, H · r, W · r). */
export class PixelShuffle extends Module {
  upscale_factor: number;

  constructor(...args: Arguments<{ readonly upscale_factor: number }, [upscale_factor: number]>) {
    super();
    const signature = "PixelShuffle.__init__(int upscale_factor)";
    this.upscale_factor = layerArguments<{ upscale_factor: number }>(signature, args).upscale_factor;
  }

  override forward(input: Tensor): Tensor {
    return F.pixel_shuffle(input, this.upscale_factor);
  }

  override extra_repr(): string {
    return `upscale_factor=${this.upscale_factor}`;
  }
}

/** (*, C, H · r, W · r) as (*, C · r², H, W). */
export class PixelUnshuffle extends Module {
  downscale_factor: number;

  constructor(...args: Arguments<{ readonly downscale_factor: number }, [downscale_factor: number]>) {
    super();
    const signature = "PixelUnshuffle.__init__(int downscale_factor)";
    this.downscale_factor = layerArguments<{ downscale_factor: number }>(signature, args).downscale_factor;
  }

  override forward(input: Tensor): Tensor {
    return F.pixel_unshuffle(input, this.downscale_factor);
  }

  override extra_repr(): string {
    return `downscale_factor=${this.downscale_factor}`;
  }
}

/** The channels (N, C, *) dealt out: those of `groups` groups in turn. */
export class ChannelShuffle extends Module {
  groups: number;

  constructor(...args: Arguments<{ readonly groups: number }, [groups: number]>) {
    super();
    this.groups = layerArguments<{ groups: number }>("ChannelShuffle.__init__(int groups)", args).groups;
  }

  override forward(input: Tensor): Tensor {
    return F.channel_shuffle(input, this.groups);
  }

  override extra_repr(): string {
    return `groups=${this.groups}`;
  }
}
