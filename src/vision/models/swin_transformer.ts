/**
 * Swin Transformer: attention in windows, on maps that get smaller from stage to stage. Liu et al., 2021,
 * https://arxiv.org/abs/2103.14030; version 2, 2022, https://arxiv.org/abs/2111.09883.
 */
import { float32 } from "../../dtype.ts";
import { ValueError } from "../../errors.ts";
import * as nn from "../../nn/index.ts";
import type { Module } from "../../nn/module.ts";
import { type Arguments, layerArguments } from "../../nn/options.ts";
import { ones, zeros } from "../../ops/creation.ts";
import { tensor } from "../../ops/from-values.ts";
import { cat } from "../../ops/joining.ts";
import { Slice } from "../../ops/slice.ts";
import type { Tensor } from "../../tensor.ts";
import { MLP, Permute, StochasticDepth } from "../ops/index.ts";
import { type LayerMaker, makeLayer, type NormMaker } from "../ops/layer-maker.ts";
import { IMAGENET_CATEGORIES } from "./imagenet-categories.ts";
import { modelBuilder } from "./registry.ts";
import { shifted_window_attention } from "./shifted-window-attention.ts";
import { imageNetMetrics } from "./utils.ts";
import { initializeMlp } from "./vision_transformer.ts";
import { imageClassification, WeightsEnum } from "./weights.ts";

function call(layer: Module, x: Tensor): Tensor {
  return (layer as unknown as (x: Tensor) => Tensor)(x);
}

/** The four neighbours of each 2 × 2 square side by side: (…, H, W, C) gives (…, ⌈H/2⌉, ⌈W/2⌉, 4C). */
function mergePatches(x: Tensor): Tensor {
  const [height, width] = x.sizes.slice(-3);
  const even = (height % 2) + (width % 2) === 0 ? x : nn.functional.pad(x, [0, 0, 0, width % 2, 0, height % 2]);
  const part = (row: number, column: number): Tensor =>
    even.index(["...", new Slice(row, null, 2), new Slice(column, null, 2), new Slice()]);
  return cat([part(0, 0), part(1, 0), part(0, 1), part(1, 1)], -1);
}

/** Halves height and width and doubles the channels: merge, norm, linear layer. */
export class PatchMerging extends nn.Module {
  dim: number;
  reduction: nn.Linear;
  norm: Module;

  constructor(dim: number, norm_layer: NormMaker = nn.LayerNorm) {
    super();
    this.dim = dim;
    this.reduction = new nn.Linear(4 * dim, 2 * dim, { bias: false });
    this.norm = makeLayer(norm_layer, this.normFeatures());
  }

  protected normFeatures(): number {
    return 4 * this.dim;
  }

  override forward(x: Tensor): Tensor {
    return this.reduction(call(this.norm, mergePatches(x)));
  }
}

/** As PatchMerging, with the norm last. */
export class PatchMergingV2 extends PatchMerging {
  protected override normFeatures(): number {
    return 2 * this.dim;
  }

  override forward(x: Tensor): Tensor {
    return call(this.norm, this.reduction(mergePatches(x)));
  }
}

/** Options of attention and blocks. */
export interface WindowAttentionOptions {
  /** Default true. */
  readonly qkv_bias?: boolean;
  /** Default true. */
  readonly proj_bias?: boolean;
  /** Default 0. */
  readonly attention_dropout?: number;
  /** Default 0. */
  readonly dropout?: number;
}

/** Attention in windows, with a learned bias for each relative position. Input and result (N, H, W, C). */
export class ShiftedWindowAttention extends nn.Module {
  window_size: readonly number[];
  shift_size: readonly number[];
  num_heads: number;
  attention_dropout: number;
  dropout: number;
  qkv: nn.Linear;
  proj: nn.Linear;
  // Declared only, because methods that a subclass replaces make them.
  declare relative_position_bias_table: nn.Parameter;
  declare relative_position_index: Tensor;

  constructor(
    dim: number,
    window_size: readonly number[],
    shift_size: readonly number[],
    num_heads: number,
    { qkv_bias = true, proj_bias = true, attention_dropout = 0, dropout = 0 }: WindowAttentionOptions = {},
  ) {
    super();
    if (window_size.length !== 2 || shift_size.length !== 2) {
      throw new ValueError("window_size and shift_size must be of length 2");
    }
    this.window_size = window_size;
    this.shift_size = shift_size;
    this.num_heads = num_heads;
    this.attention_dropout = attention_dropout;
    this.dropout = dropout;
    this.qkv = new nn.Linear(dim, dim * 3, { bias: qkv_bias });
    this.proj = new nn.Linear(dim, dim, { bias: proj_bias });
    this.define_relative_position_bias_table();
    this.define_relative_position_index();
  }

  protected define_relative_position_bias_table(): void {
    const [height, width] = this.window_size;
    const table = zeros((2 * height - 1) * (2 * width - 1), this.num_heads);
    this.relative_position_bias_table = new nn.Parameter(table);
    nn.init.trunc_normal_(this.relative_position_bias_table, { std: 0.02 });
  }

  /** For each pair of places in a window, the row of the table. */
  protected define_relative_position_index(): void {
    const [height, width] = this.window_size;
    const area = height * width;
    const index = new BigInt64Array(area * area);
    for (let i = 0; i < area; i++) {
      for (let j = 0; j < area; j++) {
        const y = Math.floor(i / width) - Math.floor(j / width) + height - 1;
        const x = (i % width) - (j % width) + width - 1;
        index[i * area + j] = BigInt(y * (2 * width - 1) + x);
      }
    }
    this.register_buffer("relative_position_index", tensor(index));
  }

  /** (1, heads, area, area), from a table with a row for each relative position. */
  protected biasFrom(table: Tensor): Tensor {
    const area = this.window_size[0] * this.window_size[1];
    return table.index_select(0, this.relative_position_index).view(area, area, -1).permute(2, 0, 1).unsqueeze(0);
  }

  get_relative_position_bias(): Tensor {
    return this.biasFrom(this.relative_position_bias_table);
  }

  /** Factors of cosines, in version 2. */
  protected scales(): Tensor | null {
    return null;
  }

  override forward(x: Tensor): Tensor {
    return shifted_window_attention(
      x,
      this.qkv.weight,
      this.proj.weight,
      this.get_relative_position_bias(),
      this.window_size,
      this.num_heads,
      {
        shift_size: this.shift_size,
        attention_dropout: this.attention_dropout,
        dropout: this.dropout,
        qkv_bias: this.qkv.bias,
        proj_bias: this.proj.bias,
        logit_scale: this.scales(),
        training: this.training,
      },
    );
  }
}

/** Version 2: scaled cosines, and a network that makes the bias from logarithmic distances. */
export class ShiftedWindowAttentionV2 extends ShiftedWindowAttention {
  logit_scale: nn.Parameter;
  cpb_mlp: nn.Sequential;
  declare relative_coords_table: Tensor;

  constructor(
    dim: number,
    window_size: readonly number[],
    shift_size: readonly number[],
    num_heads: number,
    options: WindowAttentionOptions = {},
  ) {
    super(dim, window_size, shift_size, num_heads, options);
    this.logit_scale = new nn.Parameter(ones(num_heads, 1, 1).mul(10).log());
    this.cpb_mlp = new nn.Sequential(
      new nn.Linear(2, 512),
      new nn.ReLU({ inplace: true }),
      new nn.Linear(512, num_heads, { bias: false }),
    );
    if (this.qkv.bias !== null) this.qkv.bias.detach().narrow(0, dim, dim).zero_();
  }

  /** Equation 4 of the paper, with distances normalized to ±8: (1, 2H - 1, 2W - 1, 2). */
  protected override define_relative_position_bias_table(): void {
    const [height, width] = this.window_size;
    const distances = (size: number): Tensor =>
      tensor(
        Array.from({ length: 2 * size - 1 }, (_, i) => i - size + 1),
        { dtype: float32 },
      ).div(size - 1);
    const shape = [1, 2 * height - 1, 2 * width - 1, 1];
    const table = cat(
      [distances(height).view(1, -1, 1, 1).expand(shape), distances(width).view(1, 1, -1, 1).expand(shape)],
      -1,
    ).mul(8);
    this.register_buffer("relative_coords_table", table.sign().mul(table.abs().add(1).log2()).div(3));
  }

  override get_relative_position_bias(): Tensor {
    const table = this.cpb_mlp(this.relative_coords_table).view(-1, this.num_heads);
    return this.biasFrom(table).sigmoid().mul(16);
  }

  protected override scales(): Tensor {
    return this.logit_scale;
  }
}

/** Options of a block. */
export interface SwinBlockOptions extends Pick<WindowAttentionOptions, "attention_dropout" | "dropout"> {
  readonly window_size: readonly number[];
  readonly shift_size: readonly number[];
  /** Width of the MLP, as a multiple of the channels. Default 4. */
  readonly mlp_ratio?: number;
  /** The probability that a sample skips a branch. Default 0. */
  readonly stochastic_depth_prob?: number;
  /** Default LayerNorm. */
  readonly norm_layer?: NormMaker;
  readonly attn_layer?: AttentionMaker;
}

type AttentionMaker = LayerMaker<
  [
    dim: number,
    window_size: readonly number[],
    shift_size: readonly number[],
    num_heads: number,
    options: WindowAttentionOptions,
  ]
>;

/** Attention and MLP, each after a norm and added to its input. */
export class SwinTransformerBlock extends nn.Module {
  norm1: Module;
  attn: Module;
  stochastic_depth: StochasticDepth;
  norm2: Module;
  mlp: MLP;

  constructor(dim: number, num_heads: number, options: SwinBlockOptions) {
    super();
    const { window_size, shift_size, mlp_ratio = 4, dropout = 0, attention_dropout = 0 } = options;
    const norm_layer = options.norm_layer ?? nn.LayerNorm;
    const attention = options.attn_layer ?? this.defaultAttention();
    this.norm1 = makeLayer(norm_layer, dim);
    this.attn = makeLayer(attention, dim, window_size, shift_size, num_heads, { attention_dropout, dropout });
    this.stochastic_depth = new StochasticDepth(options.stochastic_depth_prob ?? 0, "row");
    this.norm2 = makeLayer(norm_layer, dim);
    const widths = [Math.trunc(dim * mlp_ratio), dim];
    this.mlp = new MLP(dim, widths, { activation_layer: nn.GELU, inplace: null, dropout });
    initializeMlp(this.mlp);
  }

  protected defaultAttention(): AttentionMaker {
    return ShiftedWindowAttention;
  }

  override forward(x: Tensor): Tensor {
    const y = x.add(this.stochastic_depth(call(this.attn, call(this.norm1, x))));
    return y.add(this.stochastic_depth(this.mlp(call(this.norm2, y))));
  }
}

/** Version 2: the norms come after attention and MLP. */
export class SwinTransformerBlockV2 extends SwinTransformerBlock {
  protected override defaultAttention(): AttentionMaker {
    return ShiftedWindowAttentionV2;
  }

  override forward(x: Tensor): Tensor {
    const y = x.add(this.stochastic_depth(call(this.norm1, call(this.attn, x))));
    return y.add(this.stochastic_depth(call(this.norm2, this.mlp(y))));
  }
}

/** Options of the models, beside what makes them what they are. */
export interface SwinOptions {
  /** Default 4. */
  readonly mlp_ratio?: number;
  /** Default 0. */
  readonly dropout?: number;
  /** Default 0. */
  readonly attention_dropout?: number;
  /** Default 1000. */
  readonly num_classes?: number;
  /** Default `LayerNorm` with eps 1e-5. */
  readonly norm_layer?: NormMaker | null;
}

type BlockMaker = LayerMaker<[dim: number, num_heads: number, options: SwinBlockOptions]>;
type MergingMaker = LayerMaker<[dim: number, norm_layer: NormMaker]>;

export interface SwinTransformerOptions extends SwinOptions {
  readonly patch_size: readonly number[];
  /** Channels of the first stage; each further one has twice as many. */
  readonly embed_dim: number;
  /** Blocks of each stage. */
  readonly depths: readonly number[];
  /** Heads of each stage. */
  readonly num_heads: readonly number[];
  readonly window_size: readonly number[];
  /** Of the last block; the first has 0. Default 0.1. */
  readonly stochastic_depth_prob?: number;
  /** Default SwinTransformerBlock. */
  readonly block?: BlockMaker | null;
  /** Default PatchMerging. */
  readonly downsample_layer?: MergingMaker | null;
}

const SIGNATURE =
  "SwinTransformer.__init__(int[] patch_size, int embed_dim, int[] depths, int[] num_heads, int[] window_size, float mlp_ratio=4.0, float dropout=0.0, float attention_dropout=0.0, float stochastic_depth_prob=0.1, int num_classes=1000, any? norm_layer=None, any? block=None, any? downsample_layer=None)";

/** Input (N, 3, H, W), output (N, num_classes). */
export class SwinTransformer extends nn.Module {
  num_classes: number;
  features: nn.Sequential;
  norm: Module;
  permute: Permute;
  avgpool: nn.AdaptiveAvgPool2d;
  flatten: nn.Flatten;
  head: nn.Linear;

  constructor(
    ...args: Arguments<
      SwinTransformerOptions,
      [
        patch_size: readonly number[],
        embed_dim: number,
        depths: readonly number[],
        num_heads: readonly number[],
        window_size: readonly number[],
      ],
      [
        mlp_ratio?: number,
        dropout?: number,
        attention_dropout?: number,
        stochastic_depth_prob?: number,
        num_classes?: number,
        norm_layer?: NormMaker | null,
        block?: BlockMaker | null,
        downsample_layer?: MergingMaker | null,
      ]
    >
  ) {
    super();
    const options = layerArguments<SwinTransformerOptions>(SIGNATURE, args);
    const { patch_size, embed_dim, depths, num_heads, window_size, mlp_ratio, dropout, attention_dropout } = options;
    const block: BlockMaker = options.block ?? SwinTransformerBlock;
    const merging: MergingMaker = options.downsample_layer ?? PatchMerging;
    const norm_layer: NormMaker = options.norm_layer ?? ((features) => new nn.LayerNorm(features, { eps: 1e-5 }));
    this.num_classes = options.num_classes;
    const size: [number, number] = [patch_size[0], patch_size[1]];
    const layers: Module[] = [
      new nn.Sequential<Module>(
        new nn.Conv2d(3, embed_dim, size, { stride: size }),
        new Permute([0, 2, 3, 1]),
        makeLayer(norm_layer, embed_dim),
      ),
    ];
    const last = depths.reduce((a, b) => a + b, 0) - 1;
    let number = 0;
    for (const [i, depth] of depths.entries()) {
      const dim = embed_dim * 2 ** i;
      const stage: Module[] = [];
      for (let j = 0; j < depth; j++) {
        const stochastic_depth_prob = (options.stochastic_depth_prob * number++) / last;
        stage.push(
          makeLayer(block, dim, num_heads[i], {
            window_size,
            shift_size: window_size.map((w) => (j % 2 === 0 ? 0 : Math.floor(w / 2))),
            mlp_ratio,
            dropout,
            attention_dropout,
            stochastic_depth_prob,
            norm_layer,
          }),
        );
      }
      layers.push(new nn.Sequential(...stage));
      if (i < depths.length - 1) layers.push(makeLayer(merging, dim, norm_layer));
    }
    this.features = new nn.Sequential(...layers);
    const features = embed_dim * 2 ** (depths.length - 1);
    this.norm = makeLayer(norm_layer, features);
    this.permute = new Permute([0, 3, 1, 2]);
    this.avgpool = new nn.AdaptiveAvgPool2d(1);
    this.flatten = new nn.Flatten(1);
    this.head = new nn.Linear(features, options.num_classes);
    for (const m of this.modules()) {
      if (!(m instanceof nn.Linear)) continue;
      nn.init.trunc_normal_(m.weight, { std: 0.02 });
      if (m.bias !== null) nn.init.zeros_(m.bias);
    }
  }

  override forward(x: Tensor): Tensor {
    const features = this.permute(call(this.norm, this.features(x)));
    return this.head(this.flatten(this.avgpool(features)));
  }
}

export class Swin_T_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new Swin_T_Weights({
    url: "https://download.pytorch.org/models/swin_t-704ceda3.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 232, interpolation: "bicubic" }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      num_params: 28288354,
      min_size: [224, 224],
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#swintransformer",
      _ops: 4.491,
      _file_size: 108.19,
      _metrics: imageNetMetrics(81.474, 95.776),
    },
  });
  static readonly DEFAULT = Swin_T_Weights.IMAGENET1K_V1;
}

export class Swin_S_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new Swin_S_Weights({
    url: "https://download.pytorch.org/models/swin_s-5e29d889.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 246, interpolation: "bicubic" }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      num_params: 49606258,
      min_size: [224, 224],
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#swintransformer",
      _ops: 8.741,
      _file_size: 189.786,
      _metrics: imageNetMetrics(83.196, 96.36),
    },
  });
  static readonly DEFAULT = Swin_S_Weights.IMAGENET1K_V1;
}

export class Swin_B_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new Swin_B_Weights({
    url: "https://download.pytorch.org/models/swin_b-68c6b09e.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 238, interpolation: "bicubic" }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      num_params: 87768224,
      min_size: [224, 224],
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#swintransformer",
      _ops: 15.431,
      _file_size: 335.364,
      _metrics: imageNetMetrics(83.582, 96.64),
    },
  });
  static readonly DEFAULT = Swin_B_Weights.IMAGENET1K_V1;
}

export class Swin_V2_T_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new Swin_V2_T_Weights({
    url: "https://download.pytorch.org/models/swin_v2_t-b137f0e2.pth",
    transforms: imageClassification({ crop_size: 256, resize_size: 260, interpolation: "bicubic" }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      num_params: 28351570,
      min_size: [256, 256],
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#swintransformer-v2",
      _ops: 5.94,
      _file_size: 108.626,
      _metrics: imageNetMetrics(82.072, 96.132),
    },
  });
  static readonly DEFAULT = Swin_V2_T_Weights.IMAGENET1K_V1;
}

export class Swin_V2_S_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new Swin_V2_S_Weights({
    url: "https://download.pytorch.org/models/swin_v2_s-637d8ceb.pth",
    transforms: imageClassification({ crop_size: 256, resize_size: 260, interpolation: "bicubic" }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      num_params: 49737442,
      min_size: [256, 256],
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#swintransformer-v2",
      _ops: 11.546,
      _file_size: 190.675,
      _metrics: imageNetMetrics(83.712, 96.816),
    },
  });
  static readonly DEFAULT = Swin_V2_S_Weights.IMAGENET1K_V1;
}

export class Swin_V2_B_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new Swin_V2_B_Weights({
    url: "https://download.pytorch.org/models/swin_v2_b-781e5279.pth",
    transforms: imageClassification({ crop_size: 256, resize_size: 272, interpolation: "bicubic" }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      num_params: 87930848,
      min_size: [256, 256],
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#swintransformer-v2",
      _ops: 20.325,
      _file_size: 336.372,
      _metrics: imageNetMetrics(84.112, 96.864),
    },
  });
  static readonly DEFAULT = Swin_V2_B_Weights.IMAGENET1K_V1;
}

type Dimensions = Pick<
  SwinTransformerOptions,
  "embed_dim" | "depths" | "num_heads" | "window_size" | "stochastic_depth_prob" | "block" | "downsample_layer"
>;

const TINY = { embed_dim: 96, depths: [2, 2, 6, 2], num_heads: [3, 6, 12, 24], stochastic_depth_prob: 0.2 } as const;
const SMALL = { embed_dim: 96, depths: [2, 2, 18, 2], num_heads: [3, 6, 12, 24], stochastic_depth_prob: 0.3 } as const;
const BASE = { embed_dim: 128, depths: [2, 2, 18, 2], num_heads: [4, 8, 16, 32], stochastic_depth_prob: 0.5 } as const;
const V1 = { window_size: [7, 7] } as const;
const V2 = { window_size: [8, 8], block: SwinTransformerBlockV2, downsample_layer: PatchMergingV2 } as const;

function builder(dimensions: Dimensions): (config: SwinOptions) => SwinTransformer {
  return (config) => new SwinTransformer({ ...config, patch_size: [4, 4], ...dimensions });
}

export const swin_t = modelBuilder("swin_t", Swin_T_Weights, builder({ ...TINY, ...V1 }));
export const swin_s = modelBuilder("swin_s", Swin_S_Weights, builder({ ...SMALL, ...V1 }));
export const swin_b = modelBuilder("swin_b", Swin_B_Weights, builder({ ...BASE, ...V1 }));
export const swin_v2_t = modelBuilder("swin_v2_t", Swin_V2_T_Weights, builder({ ...TINY, ...V2 }));
export const swin_v2_s = modelBuilder("swin_v2_s", Swin_V2_S_Weights, builder({ ...SMALL, ...V2 }));
export const swin_v2_b = modelBuilder("swin_v2_b", Swin_V2_B_Weights, builder({ ...BASE, ...V2 }));
