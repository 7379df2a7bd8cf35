/** Padding: https://pytorch.org/docs/stable/nn.html#padding-layers */
import { ValueError } from "../../errors.ts";
import { pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import * as F from "../functional.ts";
import { Module } from "../module.ts";
import { type Arguments, expandSize, layerArguments, type Pair, type Size } from "../options.ts";

/** Numbers of elements before and after each dimension, the last dimension first. */
type Sides<Dimensions extends 1 | 2 | 3> = {
  1: Pair;
  2: readonly [left: number, right: number, top: number, bottom: number];
  3: readonly [left: number, right: number, top: number, bottom: number, front: number, back: number];
}[Dimensions];

export interface PadOptions<N extends readonly number[]> {
  /** A number stands for all sides. Negative numbers cut off. */
  readonly padding: Size<N>;
}

/** Padding with what the input itself holds. */
abstract class PadNd<N extends readonly number[]> extends Module {
  padding: N;
  private readonly mode: "circular" | "reflect" | "replicate";

  protected constructor(
    name: string,
    sides: number,
    mode: "circular" | "reflect" | "replicate",
    args: readonly unknown[],
  ) {
    super();
    const { padding } = layerArguments<PadOptions<N>>(`${name}.__init__(int[] padding)`, args);
    this.padding = expandSize<N>(padding, sides, "padding");
    this.mode = mode;
  }

  override forward(input: Tensor): Tensor {
    const rank = this.padding.length / 2 + 1;
    if (this.mode === "circular" && input.dim() !== rank && input.dim() !== rank + 1) {
      throw new ValueError(`expected ${rank}D or ${rank + 1}D input (got ${input.dim()}D input)`);
    }
    return F.pad(input, this.padding, this.mode);
  }

  override extra_repr(): string {
    return pythonRepr(this.padding);
  }
}

/** Continues (N, C, L), with or without N, with its other end. */
export class CircularPad1d extends PadNd<Sides<1>> {
  constructor(...args: Arguments<PadOptions<Sides<1>>, [padding: Size<Sides<1>>]>) {
    super("CircularPad1d", 2, "circular", args);
  }
}

/** Continues (N, C, H, W), with or without N, with its other end. */
export class CircularPad2d extends PadNd<Sides<2>> {
  constructor(...args: Arguments<PadOptions<Sides<2>>, [padding: Size<Sides<2>>]>) {
    super("CircularPad2d", 4, "circular", args);
  }
}

/** Continues (N, C, D, H, W), with or without N, with its other end. */
export class CircularPad3d extends PadNd<Sides<3>> {
  constructor(...args: Arguments<PadOptions<Sides<3>>, [padding: Size<Sides<3>>]>) {
    super("CircularPad3d", 6, "circular", args);
  }
}

/** Continues (N, C, L), with or without N, with its mirror image. */
export class ReflectionPad1d extends PadNd<Sides<1>> {
  constructor(...args: Arguments<PadOptions<Sides<1>>, [padding: Size<Sides<1>>]>) {
    super("ReflectionPad1d", 2, "reflect", args);
  }
}

/** Continues (N, C, H, W), with or without N, with its mirror image. */
export class ReflectionPad2d extends PadNd<Sides<2>> {
  constructor(...args: Arguments<PadOptions<Sides<2>>, [padding: Size<Sides<2>>]>) {
    super("ReflectionPad2d", 4, "reflect", args);
  }
}

/** Continues (N, C, D, H, W), with or without N, with its mirror image. */
export class ReflectionPad3d extends PadNd<Sides<3>> {
  constructor(...args: Arguments<PadOptions<Sides<3>>, [padding: Size<Sides<3>>]>) {
    super("ReflectionPad3d", 6, "reflect", args);
  }
}

/** Continues (N, C, L), with or without N, with its edge. */
export class ReplicationPad1d extends PadNd<Sides<1>> {
  constructor(...args: Arguments<PadOptions<Sides<1>>, [padding: Size<Sides<1>>]>) {
    super("ReplicationPad1d", 2, "replicate", args);
  }
}

/** Continues (N, C, H, W), with or without N, with its edge. */
export class ReplicationPad2d extends PadNd<Sides<2>> {
  constructor(...args: Arguments<PadOptions<Sides<2>>, [padding: Size<Sides<2>>]>) {
    super("ReplicationPad2d", 4, "replicate", args);
  }
}

/** Continues (N, C, D, H, W), with or without N, with its edge. */
export class ReplicationPad3d extends PadNd<Sides<3>> {
  constructor(...args: Arguments<PadOptions<Sides<3>>, [padding: Size<Sides<3>>]>) {
    super("ReplicationPad3d", 6, "replicate", args);
  }
}

export interface ConstantPadOptions<N extends readonly number[]> extends PadOptions<N> {
  readonly value: number;
}

/** Padding with one value. */
abstract class ConstantPadNd<N extends readonly number[]> extends Module {
  padding: N;
  value: number;

  protected constructor(sides: number, padding: Size<N>, value: number) {
    super();
    this.padding = expandSize<N>(padding, sides, "padding");
    this.value = value;
  }

  override forward(input: Tensor): Tensor {
    return F.pad(input, this.padding, "constant", this.value);
  }

  override extra_repr(): string {
    return `padding=${pythonRepr(this.padding)}, value=${pythonRepr(this.value)}`;
  }
}

/** Surrounds (N, C, L) with `value`. */
export class ConstantPad1d extends ConstantPadNd<Sides<1>> {
  constructor(...args: Arguments<ConstantPadOptions<Sides<1>>, [padding: Size<Sides<1>>, value: number]>) {
    const signature = "ConstantPad1d.__init__(int[] padding, float value)";
    const { padding, value } = layerArguments<ConstantPadOptions<Sides<1>>>(signature, args);
    super(2, padding, value);
  }
}

/** Surrounds (N, C, H, W) with `value`. */
export class ConstantPad2d extends ConstantPadNd<Sides<2>> {
  constructor(...args: Arguments<ConstantPadOptions<Sides<2>>, [padding: Size<Sides<2>>, value: number]>) {
    const signature = "ConstantPad2d.__init__(int[] padding, float value)";
    const { padding, value } = layerArguments<ConstantPadOptions<Sides<2>>>(signature, args);
    super(4, padding, value);
  }
}

/** Surrounds (N, C, D, H, W) with `value`. */
export class ConstantPad3d extends ConstantPadNd<Sides<3>> {
  constructor(...args: Arguments<ConstantPadOptions<Sides<3>>, [padding: Size<Sides<3>>, value: number]>) {
    const signature = "ConstantPad3d.__init__(int[] padding, float value)";
    const { padding, value } = layerArguments<ConstantPadOptions<Sides<3>>>(signature, args);
    super(6, padding, value);
  }
}

/** Surrounds (N, C, L) with zeros. */
export class ZeroPad1d extends ConstantPadNd<Sides<1>> {
  constructor(...args: Arguments<PadOptions<Sides<1>>, [padding: Size<Sides<1>>]>) {
    const { padding } = layerArguments<PadOptions<Sides<1>>>("ZeroPad1d.__init__(int[] padding)", args);
    super(2, padding, 0);
  }

  override extra_repr(): string {
    return pythonRepr(this.padding);
  }
}

/** Surrounds (N, C, H, W) with zeros. */
export class ZeroPad2d extends ConstantPadNd<Sides<2>> {
  constructor(...args: Arguments<PadOptions<Sides<2>>, [padding: Size<Sides<2>>]>) {
    const { padding } = layerArguments<PadOptions<Sides<2>>>("ZeroPad2d.__init__(int[] padding)", args);
    super(4, padding, 0);
  }

  override extra_repr(): string {
    return pythonRepr(this.padding);
  }
}

/** Surrounds (N, C, D, H, W) with zeros. */
export class ZeroPad3d extends ConstantPadNd<Sides<3>> {
  constructor(...args: Arguments<PadOptions<Sides<3>>, [padding: Size<Sides<3>>]>) {
    const { padding } = layerArguments<PadOptions<Sides<3>>>("ZeroPad3d.__init__(int[] padding)", args);
    super(6, padding, 0);
  }

  override extra_repr(): string {
    return pythonRepr(this.padding);
  }
}
