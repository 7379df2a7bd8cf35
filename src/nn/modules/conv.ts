/** Convolutions: https://pytorch.org/docs/stable/nn.html#convolution-layers */
import { ValueError } from "../../errors.ts";
import { empty } from "../../ops/creation.ts";
import { pythonRepr, sizeToString } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import * as F from "../functional.ts";
import * as init from "../init.ts";
import { Module } from "../module.ts";
import {
  type Arguments,
  expandSize,
  FACTORY,
  type FactoryOptions,
  layerArguments,
  type Pair,
  type Single,
  type Size,
  type Triple,
} from "../options.ts";
import { Parameter } from "../parameter.ts";

/** What is read beyond the edges of the input. */
export type PaddingMode = "zeros" | "reflect" | "replicate" | "circular";

/** Arguments of both kinds of convolution; `N` has a number for each spatial dimension. */
interface CommonOptions<N extends readonly number[]> extends FactoryOptions {
  readonly in_channels: number;
  readonly out_channels: number;
  readonly kernel_size: Size<N>;
  /** Default 1. */
  readonly stride?: Size<N>;
  /** Distance between the elements of the kernel. Default 1. */
  readonly dilation?: Size<N>;
  /** Channels are divided into this many groups that do not see each other. Default 1. */
  readonly groups?: number;
  /** Learn an additive bias. Default true. */
  readonly bias?: boolean;
  /** Default "zeros". */
  readonly padding_mode?: PaddingMode;
}

export interface ConvOptions<N extends readonly number[]> extends CommonOptions<N> {
  /** Added to both sides of every dimension; "same" keeps the size, "valid" adds nothing. Default 0. */
  readonly padding?: Size<N> | "same" | "valid";
}

export interface ConvTransposeOptions<N extends readonly number[]> extends CommonOptions<N> {
  /** Default 0. */
  readonly padding?: Size<N>;
  /** Added to one side of the output's shape. Default 0. */
  readonly output_padding?: Size<N>;
}

type ConvArguments<N extends readonly number[]> = Arguments<
  ConvOptions<N>,
  [in_channels: number, out_channels: number, kernel_size: Size<N>],
  [
    stride?: Size<N>,
    padding?: Size<N> | "same" | "valid",
    dilation?: Size<N>,
    groups?: number,
    bias?: boolean,
    padding_mode?: PaddingMode,
  ]
>;

type ConvTransposeArguments<N extends readonly number[]> = Arguments<
  ConvTransposeOptions<N>,
  [in_channels: number, out_channels: number, kernel_size: Size<N>],
  [
    stride?: Size<N>,
    padding?: Size<N>,
    output_padding?: Size<N>,
    groups?: number,
    bias?: boolean,
    dilation?: Size<N>,
    padding_mode?: PaddingMode,
  ]
>;

const paddingModes: readonly string[] = ["zeros", "reflect", "replicate", "circular"];

const SIGNATURE = `int in_channels, int out_channels, int[] kernel_size, int[] stride=1, any padding=0, int[] dilation=1, int groups=1, bool bias=True, str padding_mode="zeros", ${FACTORY}`;
const TRANSPOSE_SIGNATURE = `int in_channels, int out_channels, int[] kernel_size, int[] stride=1, int[] padding=0, int[] output_padding=0, int groups=1, bool bias=True, int[] dilation=1, str padding_mode="zeros", ${FACTORY}`;

/** What all convolutions have in common: shapes, initial values, and the text. */
abstract class ConvNd<N extends readonly number[]> extends Module {
  in_channels: number;
  out_channels: number;
  kernel_size: N;
  stride: N;
  padding: N | "same" | "valid";
  dilation: N;
  output_padding: N;
  groups: number;
  padding_mode: PaddingMode;
  /** Shape (out_channels, in_channels / groups, …kernel_size); transposed (in_channels, out_channels / groups, …). */
  weight: Parameter;
  bias: Parameter | null;

  protected constructor(
    rank: number,
    options: Required<ConvOptions<N> & ConvTransposeOptions<N>> | Required<ConvOptions<N>>,
    transposed: boolean,
  ) {
    super();
    const { in_channels, out_channels, padding, groups, bias, padding_mode, ...rest } = options;
    if (groups <= 0) throw new ValueError("groups must be a positive integer");
    if (in_channels % groups !== 0) throw new ValueError("in_channels must be divisible by groups");
    if (out_channels % groups !== 0) throw new ValueError("out_channels must be divisible by groups");
    const size = (value: Size<N>, name: string): N => expandSize<N>(value, rank, name);
    this.in_channels = in_channels;
    this.out_channels = out_channels;
    this.kernel_size = size(rest.kernel_size, "kernel_size");
    this.stride = size(rest.stride, "stride");
    if (typeof padding === "string") {
      if (padding !== "same" && padding !== "valid") {
        throw new ValueError(`Invalid padding string ${pythonRepr(padding)}, should be one of {'same', 'valid'}`);
      }
      if (padding === "same" && this.stride.some((s) => s !== 1)) {
        throw new ValueError("padding='same' is not supported for strided convolutions");
      }
      this.padding = padding;
    } else this.padding = size(padding, "padding");
    if (!paddingModes.includes(padding_mode)) {
      const modes = paddingModes.map((mode) => `'${mode}'`).join(", ");
      throw new ValueError(`padding_mode must be one of {${modes}}, but got padding_mode='${padding_mode}'`);
    }
    this.dilation = size(rest.dilation, "dilation");
    this.output_padding = size("output_padding" in rest ? rest.output_padding : 0, "output_padding");
    this.groups = groups;
    this.padding_mode = padding_mode;
    const channels = transposed ? [in_channels, out_channels / groups] : [out_channels, in_channels / groups];
    const factory = { dtype: rest.dtype, device: rest.device };
    this.weight = new Parameter(empty([...channels, ...this.kernel_size], factory));
    this.bias = bias ? new Parameter(empty([out_channels], factory)) : null;
    this.reset_parameters();
  }

  reset_parameters(): void {
    // sqrt(5) makes kaiming_uniform_ uniform in ±1/√fan_in.
    init.kaiming_uniform_(this.weight, { a: Math.sqrt(5) });
    if (this.bias !== null) {
      const [fanIn] = init._calculate_fan_in_and_fan_out(this.weight);
      const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
      init.uniform_(this.bias, -bound, bound);
    }
  }

  /** The input with its edges continued as `padding_mode` says, after which the convolution itself pads nothing. */
  protected padded(input: Tensor): Tensor {
    const around: number[] = [];
    // F.pad starts with the last dimension.
    for (let i = this.kernel_size.length - 1; i >= 0; i--) {
      if (this.padding === "valid") around.push(0, 0);
      else if (this.padding === "same") {
        const total = this.dilation[i] * (this.kernel_size[i] - 1);
        const before = Math.floor(total / 2);
        around.push(before, total - before);
      } else around.push(this.padding[i], this.padding[i]);
    }
    return F.pad(input, around, this.padding_mode as Exclude<PaddingMode, "zeros">);
  }

  override extra_repr(): string {
    const differs = (sizes: readonly number[], usual: number): boolean => sizes.some((s) => s !== usual);
    let text = `${this.in_channels}, ${this.out_channels}, kernel_size=${pythonRepr(this.kernel_size)}, stride=${pythonRepr(this.stride)}`;
    if (typeof this.padding === "string") text += `, padding=${this.padding}`;
    else if (differs(this.padding, 0)) text += `, padding=${pythonRepr(this.padding)}`;
    if (differs(this.dilation, 1)) text += `, dilation=${pythonRepr(this.dilation)}`;
    if (differs(this.output_padding, 0)) text += `, output_padding=${pythonRepr(this.output_padding)}`;
    if (this.groups !== 1) text += `, groups=${this.groups}`;
    if (this.bias === null) text += ", bias=False";
    if (this.padding_mode !== "zeros") text += `, padding_mode=${this.padding_mode}`;
    return text;
  }
}

/** Convolution over a sequence: input (N, C, L) or (C, L). Starts uniform in ±1/√fan_in, as all convolutions do. */
export class Conv1d extends ConvNd<Single> {
  constructor(...args: ConvArguments<Single>) {
    super(1, layerArguments<ConvOptions<Single>>(`Conv1d.__init__(${SIGNATURE})`, args), false);
  }

  override forward(input: Tensor): Tensor {
    const { weight, bias, stride, padding, dilation, groups } = this;
    if (this.padding_mode === "zeros") return F.conv1d(input, weight, bias, stride, padding, dilation, groups);
    return F.conv1d(this.padded(input), weight, bias, stride, 0, dilation, groups);
  }
}

/** Convolution over an image: input (N, C, H, W) or (C, H, W). */
export class Conv2d extends ConvNd<Pair> {
  constructor(...args: ConvArguments<Pair>) {
    super(2, layerArguments<ConvOptions<Pair>>(`Conv2d.__init__(${SIGNATURE})`, args), false);
  }

  override forward(input: Tensor): Tensor {
    const { weight, bias, stride, padding, dilation, groups } = this;
    if (this.padding_mode === "zeros") return F.conv2d(input, weight, bias, stride, padding, dilation, groups);
    return F.conv2d(this.padded(input), weight, bias, stride, 0, dilation, groups);
  }
}

/** Convolution over a volume: input (N, C, D, H, W) or (C, D, H, W). */
export class Conv3d extends ConvNd<Triple> {
  constructor(...args: ConvArguments<Triple>) {
    super(3, layerArguments<ConvOptions<Triple>>(`Conv3d.__init__(${SIGNATURE})`, args), false);
  }

  override forward(input: Tensor): Tensor {
    const { weight, bias, stride, padding, dilation, groups } = this;
    if (this.padding_mode === "zeros") return F.conv3d(input, weight, bias, stride, padding, dilation, groups);
    return F.conv3d(this.padded(input), weight, bias, stride, 0, dilation, groups);
  }
}

/** What transposed convolutions have in common: the size of their output is theirs to choose. */
abstract class ConvTransposeNd<N extends readonly number[]> extends ConvNd<N> {
  declare padding: N;

  protected constructor(rank: number, name: string, args: readonly unknown[]) {
    const options = layerArguments<ConvTransposeOptions<N>>(`${name}.__init__(${TRANSPOSE_SIGNATURE})`, args);
    if (options.padding_mode !== "zeros") {
      throw new ValueError(`Only "zeros" padding mode is supported for ${name}`);
    }
    super(rank, options, true);
  }

  /** The `output_padding` that makes the output as large as `outputSize` says. */
  protected outputPadding(input: Tensor, outputSize: readonly number[] | null | undefined): readonly number[] {
    if (outputSize === null || outputSize === undefined) return this.output_padding;
    const rank = this.kernel_size.length;
    const before = input.dim() === rank + 2 ? 2 : 1;
    const wanted = outputSize.length === before + rank ? outputSize.slice(before) : [...outputSize];
    if (wanted.length !== rank) {
      throw new ValueError(
        `ConvTranspose${rank}D: for ${input.dim()}D input, output_size must have ${rank} or ${before + rank} elements (got ${wanted.length})`,
      );
    }
    const smallest = wanted.map(
      (_, i) =>
        (input.size(before + i) - 1) * this.stride[i] -
        2 * this.padding[i] +
        this.dilation[i] * (this.kernel_size[i] - 1) +
        1,
    );
    const largest = smallest.map((size, i) => size + this.stride[i] - 1);
    if (wanted.some((size, i) => size < smallest[i] || size > largest[i])) {
      const list = (sizes: readonly number[]): string => `[${sizes.join(", ")}]`;
      throw new ValueError(
        `requested an output size of ${list(wanted)}, but valid sizes range from ${list(smallest)} to ${list(largest)} (for an input of ${sizeToString(input.shape.slice(2))})`,
      );
    }
    return wanted.map((size, i) => size - smallest[i]);
  }
}

/** The gradient of a Conv1d with respect to its input, as a layer. `output_size` chooses among possible sizes. */
export class ConvTranspose1d extends ConvTransposeNd<Single> {
  constructor(...args: ConvTransposeArguments<Single>) {
    super(1, "ConvTranspose1d", args);
  }

  override forward(input: Tensor, output_size: readonly number[] | null = null): Tensor {
    const extra = this.outputPadding(input, output_size);
    const { weight, bias, stride, padding, dilation, groups } = this;
    return F.conv_transpose1d(input, weight, bias, stride, padding, extra, groups, dilation);
  }
}

/** The gradient of a Conv2d with respect to its input, as a layer. `output_size` chooses among possible sizes. */
export class ConvTranspose2d extends ConvTransposeNd<Pair> {
  constructor(...args: ConvTransposeArguments<Pair>) {
    super(2, "ConvTranspose2d", args);
  }

  override forward(input: Tensor, output_size: readonly number[] | null = null): Tensor {
    const extra = this.outputPadding(input, output_size);
    const { weight, bias, stride, padding, dilation, groups } = this;
    return F.conv_transpose2d(input, weight, bias, stride, padding, extra, groups, dilation);
  }
}

/** The gradient of a Conv3d with respect to its input, as a layer. `output_size` chooses among possible sizes. */
export class ConvTranspose3d extends ConvTransposeNd<Triple> {
  constructor(...args: ConvTransposeArguments<Triple>) {
    super(3, "ConvTranspose3d", args);
  }

  override forward(input: Tensor, output_size: readonly number[] | null = null): Tensor {
    const extra = this.outputPadding(input, output_size);
    const { weight, bias, stride, padding, dilation, groups } = this;
    return F.conv_transpose3d(input, weight, bias, stride, padding, extra, groups, dilation);
  }
}
