/** Vision Transformer: a picture as a sequence of patches. Dosovitskiy et al., 2020, https://arxiv.org/abs/2010.11929 */
import { AssertionError, ValueError } from "../../errors.ts";
import * as nn from "../../nn/index.ts";
import type { Module } from "../../nn/module.ts";
import { type Arguments, layerArguments } from "../../nn/options.ts";
import type { StateDict } from "../../nn/state-dict.ts";
import { empty, zeros } from "../../ops/creation.ts";
import { cat } from "../../ops/joining.ts";
import { shapeText } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { type ActivationMaker, Conv2dNormActivation, MLP } from "../ops/index.ts";
import { makeLayer, type NormMaker } from "../ops/layer-maker.ts";
import { IMAGENET_CATEGORIES } from "./imagenet-categories.ts";
import { modelBuilder, overwriteNamedParam } from "./registry.ts";
import { imageNetMetrics } from "./utils.ts";
import { imageClassification, WeightsEnum } from "./weights.ts";

/** One convolution of a stem, with norm and activation. Xiao et al., 2021, https://arxiv.org/abs/2106.14881 */
export interface ConvStemConfig {
  readonly out_channels: number;
  readonly kernel_size: number;
  readonly stride: number;
  /** Default BatchNorm2d. */
  readonly norm_layer?: NormMaker;
  /** Default ReLU. */
  readonly activation_layer?: ActivationMaker;
}

const defaultNorm: NormMaker = (features) => new nn.LayerNorm(features, { eps: 1e-6 });

/** The linear layers of a block start with Xavier's weights and almost no bias. */
export function initializeMlp(mlp: Module): void {
  for (const m of mlp.modules()) {
    if (!(m instanceof nn.Linear)) continue;
    nn.init.xavier_uniform_(m.weight);
    if (m.bias !== null) nn.init.normal_(m.bias, { std: 1e-6 });
  }
}

/** Two linear layers with GELU between them. */
export class MLPBlock extends MLP {
  static override readonly stateVersion: number = 2;

  constructor(in_dim: number, mlp_dim: number, dropout: number) {
    super(in_dim, [mlp_dim, in_dim], { activation_layer: nn.GELU, inplace: null, dropout });
    initializeMlp(this);
  }

  /** @internal Before version 2 the layers were called linear_1 and linear_2. */
  override upgradeState(state: Record<string, unknown>, prefix: string, version: number | null): void {
    if (version !== null && version >= 2) return;
    for (const i of [0, 1]) {
      for (const kind of ["weight", "bias"]) {
        const old = `${prefix}linear_${i + 1}.${kind}`;
        if (!(old in state)) continue;
        state[`${prefix}${3 * i}.${kind}`] = state[old];
        delete state[old];
      }
    }
  }
}

function checkSequence(x: Tensor): void {
  if (x.sizes.length !== 3) {
    throw new AssertionError(`Expected (batch_size, seq_length, hidden_dim) got torch.Size(${shapeText(x.sizes)})`);
  }
}

/** Self-attention and MLP, each after a norm and added to its input. */
export class EncoderBlock extends nn.Module {
  num_heads: number;
  ln_1: Module;
  self_attention: nn.MultiheadAttention;
  dropout: nn.Dropout;
  ln_2: Module;
  mlp: MLPBlock;

  constructor(
    num_heads: number,
    hidden_dim: number,
    mlp_dim: number,
    dropout: number,
    attention_dropout: number,
    norm_layer: NormMaker = defaultNorm,
  ) {
    super();
    this.num_heads = num_heads;
    this.ln_1 = makeLayer(norm_layer, hidden_dim);
    const options = { dropout: attention_dropout, batch_first: true };
    this.self_attention = new nn.MultiheadAttention(hidden_dim, num_heads, options);
    this.dropout = new nn.Dropout(dropout);
    this.ln_2 = makeLayer(norm_layer, hidden_dim);
    this.mlp = new MLPBlock(hidden_dim, mlp_dim, dropout);
  }

  override forward(input: Tensor): Tensor {
    checkSequence(input);
    const normalized = call(this.ln_1, input);
    const [attended] = this.self_attention(normalized, normalized, normalized, { need_weights: false });
    const x = this.dropout(attended).add(input);
    return x.add(this.mlp(call(this.ln_2, x)));
  }
}

function call(layer: Module, x: Tensor): Tensor {
  return (layer as unknown as (x: Tensor) => Tensor)(x);
}

/** Adds positions, then the blocks and a norm. */
export class Encoder extends nn.Module {
  pos_embedding: nn.Parameter;
  dropout: nn.Dropout;
  layers: nn.Sequential;
  ln: Module;

  constructor(
    seq_length: number,
    num_layers: number,
    num_heads: number,
    hidden_dim: number,
    mlp_dim: number,
    dropout: number,
    attention_dropout: number,
    norm_layer: NormMaker = defaultNorm,
  ) {
    super();
    // The deviation is BERT's.
    this.pos_embedding = new nn.Parameter(empty([1, seq_length, hidden_dim]).normal_(0, 0.02));
    this.dropout = new nn.Dropout(dropout);
    const layers: Record<string, Module> = {};
    for (let i = 0; i < num_layers; i++) {
      layers[`encoder_layer_${i}`] = new EncoderBlock(
        num_heads,
        hidden_dim,
        mlp_dim,
        dropout,
        attention_dropout,
        norm_layer,
      );
    }
    this.layers = new nn.Sequential(layers);
    this.ln = makeLayer(norm_layer, hidden_dim);
  }

  override forward(input: Tensor): Tensor {
    checkSequence(input);
    return call(this.ln, this.layers(this.dropout(input.add(this.pos_embedding))));
  }
}

/** Options of the models, beside what makes them what they are. */
export interface ViTOptions {
  /** Height and width of pictures. Default 224. */
  readonly image_size?: number;
  /** Default 0. */
  readonly dropout?: number;
  /** Default 0. */
  readonly attention_dropout?: number;
  /** Default 1000. */
  readonly num_classes?: number;
  /** Features of a layer before the last one; none by default. */
  readonly representation_size?: number | null;
  /** Default `LayerNorm` with eps 1e-6. */
  readonly norm_layer?: NormMaker | null;
  /** Convolutions in place of the one that cuts into patches. */
  readonly conv_stem_configs?: readonly ConvStemConfig[] | null;
}

export interface VisionTransformerOptions extends ViTOptions {
  readonly image_size: number;
  readonly patch_size: number;
  readonly num_layers: number;
  readonly num_heads: number;
  readonly hidden_dim: number;
  readonly mlp_dim: number;
}

const SIGNATURE =
  "VisionTransformer.__init__(int image_size, int patch_size, int num_layers, int num_heads, int hidden_dim, int mlp_dim, float dropout=0.0, float attention_dropout=0.0, int num_classes=1000, int? representation_size=None, any? norm_layer=None, any? conv_stem_configs=None)";

/** Input (N, 3, image_size, image_size), output (N, num_classes). */
export class VisionTransformer extends nn.Module {
  image_size: number;
  patch_size: number;
  hidden_dim: number;
  mlp_dim: number;
  attention_dropout: number;
  dropout: number;
  num_classes: number;
  representation_size: number | null;
  norm_layer: NormMaker;
  conv_proj: nn.Conv2d | nn.Sequential;
  class_token: nn.Parameter;
  encoder: Encoder;
  seq_length: number;
  heads: nn.Sequential;

  constructor(
    ...args: Arguments<
      VisionTransformerOptions,
      [
        image_size: number,
        patch_size: number,
        num_layers: number,
        num_heads: number,
        hidden_dim: number,
        mlp_dim: number,
      ],
      [
        dropout?: number,
        attention_dropout?: number,
        num_classes?: number,
        representation_size?: number | null,
        norm_layer?: NormMaker | null,
        conv_stem_configs?: readonly ConvStemConfig[] | null,
      ]
    >
  ) {
    super();
    const options = layerArguments<VisionTransformerOptions>(SIGNATURE, args);
    const { image_size, patch_size, hidden_dim, mlp_dim, dropout, attention_dropout } = options;
    if (image_size % patch_size !== 0) throw new AssertionError("Input shape indivisible by patch size!");
    this.image_size = image_size;
    this.patch_size = patch_size;
    this.hidden_dim = hidden_dim;
    this.mlp_dim = mlp_dim;
    this.attention_dropout = attention_dropout;
    this.dropout = dropout;
    this.num_classes = options.num_classes;
    this.representation_size = options.representation_size;
    this.norm_layer = options.norm_layer ?? defaultNorm;
    if (options.conv_stem_configs !== null) this.conv_proj = convolutionStem(options.conv_stem_configs, hidden_dim);
    else this.conv_proj = new nn.Conv2d(3, hidden_dim, patch_size, { stride: patch_size });
    // The class token comes first.
    this.seq_length = (image_size / patch_size) ** 2 + 1;
    this.class_token = new nn.Parameter(zeros(1, 1, hidden_dim));
    this.encoder = new Encoder(
      this.seq_length,
      options.num_layers,
      options.num_heads,
      hidden_dim,
      mlp_dim,
      dropout,
      attention_dropout,
      this.norm_layer,
    );
    const size = this.representation_size;
    const heads: Record<string, Module> = {};
    if (size !== null) {
      heads.pre_logits = new nn.Linear(hidden_dim, size);
      heads.act = new nn.Tanh();
    }
    heads.head = new nn.Linear(size ?? hidden_dim, options.num_classes);
    this.heads = new nn.Sequential(heads);
    this.initialize();
  }

  private initialize(): void {
    const zero = (bias: Tensor | null): void => {
      if (bias !== null) nn.init.zeros_(bias);
    };
    if (this.conv_proj instanceof nn.Conv2d) {
      const [height, width] = this.conv_proj.kernel_size;
      const fanIn = this.conv_proj.in_channels * height * width;
      nn.init.trunc_normal_(this.conv_proj.weight, { std: Math.sqrt(1 / fanIn) });
      zero(this.conv_proj.bias);
    } else {
      const last = this.conv_proj.get_submodule("conv_last") as nn.Conv2d;
      nn.init.normal_(last.weight, { mean: 0, std: Math.sqrt(2 / last.out_channels) });
      zero(last.bias);
    }
    if (this.representation_size !== null) {
      const before = this.heads.get_submodule("pre_logits") as nn.Linear;
      nn.init.trunc_normal_(before.weight, { std: Math.sqrt(1 / before.in_features) });
      zero(before.bias);
    }
    const head = this.heads.get_submodule("head") as nn.Linear;
    nn.init.zeros_(head.weight);
    zero(head.bias);
  }

  /** Pictures (N, 3, H, W) as sequences of patches (N, patches, hidden_dim). */
  private patches(x: Tensor): Tensor {
    const [n, , h, w] = x.sizes;
    const size = this.image_size;
    if (h !== size) throw new AssertionError(`Wrong image height! Expected ${size} but got ${h}!`);
    if (w !== size) throw new AssertionError(`Wrong image width! Expected ${size} but got ${w}!`);
    return (this.conv_proj(x) as Tensor).reshape(n, this.hidden_dim, this.seq_length - 1).permute(0, 2, 1);
  }

  override forward(x: Tensor): Tensor {
    const sequence = this.patches(x);
    const token = this.class_token.expand(sequence.sizes[0], -1, -1);
    const encoded = this.encoder(cat([token, sequence], 1));
    return this.heads(encoded.select(1, 0));
  }
}

function convolutionStem(configs: readonly ConvStemConfig[], hiddenDim: number): nn.Sequential {
  const layers: Record<string, Module> = {};
  let channels = 3;
  for (const [i, config] of configs.entries()) {
    const { out_channels, kernel_size, stride } = config;
    layers[`conv_bn_relu_${i}`] = new Conv2dNormActivation(channels, out_channels, {
      kernel_size,
      stride,
      norm_layer: config.norm_layer ?? nn.BatchNorm2d,
      activation_layer: config.activation_layer ?? nn.ReLU,
    });
    channels = out_channels;
  }
  layers.conv_last = new nn.Conv2d(channels, hiddenDim, 1);
  return new nn.Sequential(layers);
}

export class ViT_B_16_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ViT_B_16_Weights({
    url: "https://download.pytorch.org/models/vit_b_16-c867db91.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      num_params: 86567656,
      min_size: [224, 224],
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#vit_b_16",
      _ops: 17.564,
      _file_size: 330.285,
      _metrics: imageNetMetrics(81.072, 95.318),
    },
  });
  static readonly IMAGENET1K_SWAG_E2E_V1 = new ViT_B_16_Weights({
    url: "https://download.pytorch.org/models/vit_b_16_swag-9ac1b537.pth",
    transforms: imageClassification({ crop_size: 384, resize_size: 384, interpolation: "bicubic" }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      recipe: "https://github.com/facebookresearch/SWAG",
      license: "https://github.com/facebookresearch/SWAG/blob/main/LICENSE",
      num_params: 86859496,
      min_size: [384, 384],
      _ops: 55.484,
      _file_size: 331.398,
      _metrics: imageNetMetrics(85.304, 97.65),
    },
  });
  static readonly IMAGENET1K_SWAG_LINEAR_V1 = new ViT_B_16_Weights({
    url: "https://download.pytorch.org/models/vit_b_16_lc_swag-4e70ced5.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 224, interpolation: "bicubic" }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      recipe: "https://github.com/pytorch/vision/pull/5793",
      license: "https://github.com/facebookresearch/SWAG/blob/main/LICENSE",
      num_params: 86567656,
      min_size: [224, 224],
      _ops: 17.564,
      _file_size: 330.285,
      _metrics: imageNetMetrics(81.886, 96.18),
    },
  });
  static readonly DEFAULT = ViT_B_16_Weights.IMAGENET1K_V1;
}

export class ViT_B_32_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ViT_B_32_Weights({
    url: "https://download.pytorch.org/models/vit_b_32-d86f8d99.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      num_params: 88224232,
      min_size: [224, 224],
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#vit_b_32",
      _ops: 4.409,
      _file_size: 336.604,
      _metrics: imageNetMetrics(75.912, 92.466),
    },
  });
  static readonly DEFAULT = ViT_B_32_Weights.IMAGENET1K_V1;
}

export class ViT_L_16_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ViT_L_16_Weights({
    url: "https://download.pytorch.org/models/vit_l_16-852ce7e3.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 242 }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      num_params: 304326632,
      min_size: [224, 224],
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#vit_l_16",
      _ops: 61.555,
      _file_size: 1161.023,
      _metrics: imageNetMetrics(79.662, 94.638),
    },
  });
  static readonly IMAGENET1K_SWAG_E2E_V1 = new ViT_L_16_Weights({
    url: "https://download.pytorch.org/models/vit_l_16_swag-4f3808c9.pth",
    transforms: imageClassification({ crop_size: 512, resize_size: 512, interpolation: "bicubic" }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      recipe: "https://github.com/facebookresearch/SWAG",
      license: "https://github.com/facebookresearch/SWAG/blob/main/LICENSE",
      num_params: 305174504,
      min_size: [512, 512],
      _ops: 361.986,
      _file_size: 1164.258,
      _metrics: imageNetMetrics(88.064, 98.512),
    },
  });
  static readonly IMAGENET1K_SWAG_LINEAR_V1 = new ViT_L_16_Weights({
    url: "https://download.pytorch.org/models/vit_l_16_lc_swag-4d563306.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 224, interpolation: "bicubic" }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      recipe: "https://github.com/pytorch/vision/pull/5793",
      license: "https://github.com/facebookresearch/SWAG/blob/main/LICENSE",
      num_params: 304326632,
      min_size: [224, 224],
      _ops: 61.555,
      _file_size: 1161.023,
      _metrics: imageNetMetrics(85.146, 97.422),
    },
  });
  static readonly DEFAULT = ViT_L_16_Weights.IMAGENET1K_V1;
}

export class ViT_L_32_Weights extends WeightsEnum {
  static readonly IMAGENET1K_V1 = new ViT_L_32_Weights({
    url: "https://download.pytorch.org/models/vit_l_32-c7638314.pth",
    transforms: imageClassification({ crop_size: 224 }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      num_params: 306535400,
      min_size: [224, 224],
      recipe: "https://github.com/pytorch/vision/tree/main/references/classification#vit_l_32",
      _ops: 15.378,
      _file_size: 1169.449,
      _metrics: imageNetMetrics(76.972, 93.07),
    },
  });
  static readonly DEFAULT = ViT_L_32_Weights.IMAGENET1K_V1;
}

export class ViT_H_14_Weights extends WeightsEnum {
  static readonly IMAGENET1K_SWAG_E2E_V1 = new ViT_H_14_Weights({
    url: "https://download.pytorch.org/models/vit_h_14_swag-80465313.pth",
    transforms: imageClassification({ crop_size: 518, resize_size: 518, interpolation: "bicubic" }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      recipe: "https://github.com/facebookresearch/SWAG",
      license: "https://github.com/facebookresearch/SWAG/blob/main/LICENSE",
      num_params: 633470440,
      min_size: [518, 518],
      _ops: 1016.717,
      _file_size: 2416.643,
      _metrics: imageNetMetrics(88.552, 98.694),
    },
  });
  static readonly IMAGENET1K_SWAG_LINEAR_V1 = new ViT_H_14_Weights({
    url: "https://download.pytorch.org/models/vit_h_14_lc_swag-c1eb923e.pth",
    transforms: imageClassification({ crop_size: 224, resize_size: 224, interpolation: "bicubic" }),
    meta: {
      categories: IMAGENET_CATEGORIES,
      recipe: "https://github.com/pytorch/vision/pull/5793",
      license: "https://github.com/facebookresearch/SWAG/blob/main/LICENSE",
      num_params: 632045800,
      min_size: [224, 224],
      _ops: 167.295,
      _file_size: 2411.209,
      _metrics: imageNetMetrics(85.708, 97.73),
    },
  });
  static readonly DEFAULT = ViT_H_14_Weights.IMAGENET1K_SWAG_E2E_V1;
}

type Dimensions = Pick<VisionTransformerOptions, "patch_size" | "num_layers" | "num_heads" | "hidden_dim" | "mlp_dim">;

const BASE = { num_layers: 12, num_heads: 12, hidden_dim: 768, mlp_dim: 3072 } as const;
const LARGE = { num_layers: 24, num_heads: 16, hidden_dim: 1024, mlp_dim: 4096 } as const;
const HUGE = { num_layers: 32, num_heads: 16, hidden_dim: 1280, mlp_dim: 5120 } as const;

/** What makes a model of these dimensions. Weights fix the size of pictures. */
function builder(dimensions: Dimensions): (config: ViTOptions, weights: WeightsEnum | null) => VisionTransformer {
  return (config, weights) => {
    const size = weights?.meta.min_size?.[0];
    const options = size === undefined ? config : overwriteNamedParam(config, "image_size", size);
    return new VisionTransformer({ ...options, image_size: options.image_size ?? 224, ...dimensions });
  };
}

export const vit_b_16 = modelBuilder("vit_b_16", ViT_B_16_Weights, builder({ patch_size: 16, ...BASE }));
export const vit_b_32 = modelBuilder("vit_b_32", ViT_B_32_Weights, builder({ patch_size: 32, ...BASE }));
export const vit_l_16 = modelBuilder("vit_l_16", ViT_L_16_Weights, builder({ patch_size: 16, ...LARGE }));
export const vit_l_32 = modelBuilder("vit_l_32", ViT_L_32_Weights, builder({ patch_size: 32, ...LARGE }));
export const vit_h_14 = modelBuilder("vit_h_14", ViT_H_14_Weights, builder({ patch_size: 14, ...HUGE }));

/** Options of `interpolate_embeddings`. */
export interface InterpolateEmbeddingsOptions {
  /** Default "bicubic". */
  readonly interpolation_mode?: "nearest" | "nearest-exact" | "bilinear" | "bicubic";
  /** Leave the head out, where the size changes. Default false. */
  readonly reset_heads?: boolean;
}

/**
 * The state of a Vision Transformer for pictures of another size: its positions are interpolated. `model_state` itself
 * gets the new positions, as in torchvision.
 */
export function interpolate_embeddings(
  image_size: number,
  patch_size: number,
  model_state: StateDict,
  { interpolation_mode = "bicubic", reset_heads = false }: InterpolateEmbeddingsOptions = {},
): StateDict {
  const positions = model_state["encoder.pos_embedding"];
  const [n, length, hidden] = positions.sizes;
  if (n !== 1) throw new ValueError(`Unexpected position embedding shape: torch.Size(${shapeText(positions.sizes)})`);
  const side = Math.floor(image_size / patch_size);
  if (side * side + 1 === length) return model_state;
  const old = Math.floor(Math.sqrt(length - 1));
  if (old * old !== length - 1) {
    throw new ValueError(
      `seq_length is not a perfect square! Instead got seq_length_1d * seq_length_1d = ${old * old} and seq_length = ${length - 1}`,
    );
  }
  const grid = positions
    .narrow(1, 1, length - 1)
    .permute(0, 2, 1)
    .reshape(1, hidden, old, old);
  const resized = nn.functional.interpolate(grid, { size: side, mode: interpolation_mode, align_corners: true });
  const patches = resized.reshape(1, hidden, side * side).permute(0, 2, 1);
  model_state["encoder.pos_embedding"] = cat([positions.narrow(1, 0, 1), patches], 1);
  if (!reset_heads) return model_state;
  return Object.fromEntries(Object.entries(model_state).filter(([key]) => !key.startsWith("heads"))) as StateDict;
}
