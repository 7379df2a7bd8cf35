/** Stacks of transformer layers, and the whole Transformer: https://pytorch.org/docs/stable/nn.html#transformer-layers */
import { wantsDerivative } from "../../autograd/wants-derivative.ts";
import type { Device } from "../../device.ts";
import type { DType } from "../../dtype.ts";
import { RuntimeError } from "../../errors.ts";
import { full } from "../../ops/creation.ts";
import { bind } from "../../ops/define/schema.ts";
import { sameShape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { canonicalMask } from "../functional/multi-head-attention.ts";
import * as init from "../init.ts";
import { deepcopy, Module } from "../module.ts";
import { type Arguments, FACTORY, type FactoryOptions, layerArguments } from "../options.ts";
import { ModuleList } from "./container.ts";
import { LayerNorm } from "./normalization.ts";
import {
  type Activation,
  type DecoderLayerCall,
  type EncoderLayerCall,
  TransformerDecoderLayer,
  TransformerEncoderLayer,
} from "./transformer-layers.ts";

/** 0 on and below the diagonal, -inf above. */
function subsequentMask(size: number, dtype: DType | null): Tensor {
  return full([size, size], Number.NEGATIVE_INFINITY, dtype === null ? {} : { dtype }).triu(1);
}

/** Whether a mask is the causal one: as said, or else by looking at it. */
function detectCausal(mask: Tensor | null, said: boolean | null, length: number): boolean {
  if (said !== null) return said;
  if (mask === null || !sameShape(mask.sizes, [length, length])) return false;
  return mask.eq(subsequentMask(length, mask.dtype)).all().item() as boolean;
}

/** The length of a sequence (S, E), (N, S, E) or (S, N, E). */
function lengthOf(x: Tensor, batchFirst: boolean): number {
  return x.sizes[x.sizes.length === 2 || !batchFirst ? 0 : 1];
}

function clones<M extends Module>(module: M, count: number): ModuleList<M> {
  return new ModuleList(Array.from({ length: count }, () => deepcopy(module)));
}

export interface TransformerEncoderOptions {
  /** Is copied `num_layers` times. */
  readonly encoder_layer: TransformerEncoderLayer;
  readonly num_layers: number;
  /** Applied to the result. */
  readonly norm?: Module | null;
  /** In evaluation, positions of padding become 0, as PyTorch's nested tensors leave them. Default true. */
  readonly enable_nested_tensor?: boolean;
  /** Do that only where the padding is at the end. Default true. */
  readonly mask_check?: boolean;
}

/** Keyword arguments of a call of `TransformerEncoder`. */
export interface EncoderCall {
  readonly mask?: Tensor | null;
  readonly src_key_padding_mask?: Tensor | null;
  /** Whether `mask` is the causal one; by default it is looked at. */
  readonly is_causal?: boolean | null;
}

type LayerCallable = (src: Tensor, call: EncoderLayerCall) => Tensor;

/** Copies of an encoder layer, one after another, each with parameters of its own that start equal. */
export class TransformerEncoder extends Module {
  layers: ModuleList<TransformerEncoderLayer>;
  num_layers: number;
  norm: Module | null;
  enable_nested_tensor: boolean;
  /** @internal Whether PyTorch would use nested tensors. */
  use_nested_tensor: boolean;
  mask_check: boolean;

  constructor(
    ...args: Arguments<
      TransformerEncoderOptions,
      [encoder_layer: TransformerEncoderLayer, num_layers: number],
      [norm?: Module | null, enable_nested_tensor?: boolean, mask_check?: boolean]
    >
  ) {
    super();
    const { encoder_layer, num_layers, norm, enable_nested_tensor, mask_check } =
      layerArguments<TransformerEncoderOptions>(
        "TransformerEncoder.__init__(any encoder_layer, int num_layers, any? norm=None, bool enable_nested_tensor=True, bool mask_check=True)",
        args,
      );
    this.layers = clones(encoder_layer, num_layers);
    this.num_layers = num_layers;
    this.norm = norm;
    this.enable_nested_tensor = enable_nested_tensor;
    this.mask_check = mask_check;
    const layer = encoder_layer;
    this.use_nested_tensor =
      enable_nested_tensor &&
      layer instanceof TransformerEncoderLayer &&
      !layer.norm_first &&
      layer.self_attn.batch_first &&
      layer.self_attn.in_proj_weight !== null &&
      layer.self_attn.in_proj_bias !== null &&
      layer.activation_relu_or_gelu > 0 &&
      layer.norm1.eps === layer.norm2.eps &&
      layer.self_attn.num_heads % 2 === 0;
  }

  override forward(
    src: Tensor,
    mask?: Tensor | null | EncoderCall,
    src_key_padding_mask?: Tensor | null | EncoderCall,
    is_causal?: boolean | null | EncoderCall,
  ): Tensor {
    const [x, givenMask, givenPadding, said] = bind(
      "forward(Tensor src, Tensor? mask=None, Tensor? src_key_padding_mask=None, bool? is_causal=None)",
      [src, mask, src_key_padding_mask, is_causal],
    ) as [Tensor, Tensor | null, Tensor | null, boolean | null];
    const other = { dtype: givenMask?.dtype ?? null, name: "mask" };
    const padding = canonicalMask(givenPadding, "src_key_padding_mask", x.dtype, other);
    const attentionMask = canonicalMask(givenMask, "mask", x.dtype);
    const batchFirst = this.layers.at(0).self_attn?.batch_first ?? false;
    const call: EncoderLayerCall = {
      src_mask: attentionMask,
      is_causal: detectCausal(attentionMask, said, lengthOf(x, batchFirst)),
      src_key_padding_mask: padding,
    };
    let output = x;
    for (const layer of this.layers) output = (layer as unknown as LayerCallable)(output, call);
    if (padding !== null && attentionMask === null && this.clearsPadding(x, padding)) {
      output = output.masked_fill(padding.ne(0).unsqueeze(-1), 0);
    }
    return this.norm === null ? output : ((this.norm as unknown as Activation)(output) as Tensor);
  }

  /** Whether PyTorch would compute with nested tensors, which are filled up with zeros. */
  private clearsPadding(src: Tensor, padding: Tensor): boolean {
    const layer = this.layers.at(0);
    if (!this.use_nested_tensor || layer.training || src.sizes.length !== 3) return false;
    if (wantsDerivative(src, ...layer.parameters())) return false;
    if (!this.mask_check) return true;
    // Padding only at the end: no kept position after a padded one.
    const kept = padding.eq(0);
    const later = kept.narrow(1, 1, kept.sizes[1] - 1);
    const earlier = kept.narrow(1, 0, kept.sizes[1] - 1);
    return !(later.logical_and(earlier.logical_not()).any().item() as boolean);
  }
}

export interface TransformerDecoderOptions {
  /** Is copied `num_layers` times. */
  readonly decoder_layer: TransformerDecoderLayer;
  readonly num_layers: number;
  /** Applied to the result. */
  readonly norm?: Module | null;
}

/** Keyword arguments of a call of `TransformerDecoder`. */
export interface DecoderCall extends Omit<DecoderLayerCall, "tgt_is_causal"> {
  /** Whether `tgt_mask` is the causal one; by default it is looked at. */
  readonly tgt_is_causal?: boolean | null;
}

type DecoderArgument<T> = T | DecoderCall;

/** Copies of a decoder layer, one after another, each with parameters of its own that start equal. */
export class TransformerDecoder extends Module {
  layers: ModuleList<TransformerDecoderLayer>;
  num_layers: number;
  norm: Module | null;

  constructor(
    ...args: Arguments<
      TransformerDecoderOptions,
      [decoder_layer: TransformerDecoderLayer, num_layers: number],
      [norm?: Module | null]
    >
  ) {
    super();
    const { decoder_layer, num_layers, norm } = layerArguments<TransformerDecoderOptions>(
      "TransformerDecoder.__init__(any decoder_layer, int num_layers, any? norm=None)",
      args,
    );
    this.layers = clones(decoder_layer, num_layers);
    this.num_layers = num_layers;
    this.norm = norm;
  }

  override forward(
    tgt: Tensor,
    memory: Tensor,
    tgt_mask?: DecoderArgument<Tensor | null>,
    memory_mask?: DecoderArgument<Tensor | null>,
    tgt_key_padding_mask?: DecoderArgument<Tensor | null>,
    memory_key_padding_mask?: DecoderArgument<Tensor | null>,
    tgt_is_causal?: DecoderArgument<boolean | null>,
    memory_is_causal?: DecoderArgument<boolean>,
  ): Tensor {
    const [x, mem, tgtMask, memoryMask, tgtPadding, memoryPadding, said, memoryCausal] = bind(
      "forward(Tensor tgt, Tensor memory, Tensor? tgt_mask=None, Tensor? memory_mask=None, Tensor? tgt_key_padding_mask=None, Tensor? memory_key_padding_mask=None, bool? tgt_is_causal=None, bool memory_is_causal=False)",
      [
        tgt,
        memory,
        tgt_mask,
        memory_mask,
        tgt_key_padding_mask,
        memory_key_padding_mask,
        tgt_is_causal,
        memory_is_causal,
      ],
    ) as [Tensor, Tensor, Tensor | null, Tensor | null, Tensor | null, Tensor | null, boolean | null, boolean];
    const batchFirst = this.layers.at(0).self_attn?.batch_first ?? false;
    const call: DecoderLayerCall = {
      tgt_mask: tgtMask,
      memory_mask: memoryMask,
      tgt_key_padding_mask: tgtPadding,
      memory_key_padding_mask: memoryPadding,
      tgt_is_causal: detectCausal(tgtMask, said, lengthOf(x, batchFirst)),
      memory_is_causal: memoryCausal,
    };
    let output = x;
    for (const layer of this.layers) output = layer(output, mem, call);
    return this.norm === null ? output : (this.norm as unknown as Activation)(output);
  }
}

export interface TransformerOptions extends FactoryOptions {
  /** Features of inputs and outputs. Default 512. */
  readonly d_model?: number;
  /** Default 8. */
  readonly nhead?: number;
  /** Default 6. */
  readonly num_encoder_layers?: number;
  /** Default 6. */
  readonly num_decoder_layers?: number;
  /** Default 2048. */
  readonly dim_feedforward?: number;
  /** Default 0.1. */
  readonly dropout?: number;
  /** Default `F.relu`. */
  readonly activation?: "relu" | "gelu" | Activation | null;
  /** Take the place of the encoder and the decoder. */
  readonly custom_encoder?: Module | null;
  readonly custom_decoder?: Module | null;
  /** Default 1e-5. */
  readonly layer_norm_eps?: number;
  /** Inputs are (N, S, E), not (S, N, E). Default false. */
  readonly batch_first?: boolean;
  /** Normalize before attention and feed-forward, not after. Default false. */
  readonly norm_first?: boolean;
  /** Default true. */
  readonly bias?: boolean;
}

/** Keyword arguments of a call of `Transformer`. */
export interface TransformerCall {
  readonly src_mask?: Tensor | null;
  readonly tgt_mask?: Tensor | null;
  readonly memory_mask?: Tensor | null;
  readonly src_key_padding_mask?: Tensor | null;
  readonly tgt_key_padding_mask?: Tensor | null;
  readonly memory_key_padding_mask?: Tensor | null;
  /** By default the mask is looked at. */
  readonly src_is_causal?: boolean | null;
  readonly tgt_is_causal?: boolean | null;
  readonly memory_is_causal?: boolean;
}

type TransformerArgument<T> = T | TransformerCall;

/** Encoder and decoder. src (S, N, E) and tgt (T, N, E) give (T, N, E). Vaswani et al., "Attention Is All You Need", 2017. */
export class Transformer extends Module {
  encoder: Module;
  decoder: Module;
  d_model: number;
  nhead: number;
  batch_first: boolean;

  constructor(
    ...args: Arguments<
      TransformerOptions,
      [],
      [
        d_model?: number,
        nhead?: number,
        num_encoder_layers?: number,
        num_decoder_layers?: number,
        dim_feedforward?: number,
        dropout?: number,
        activation?: "relu" | "gelu" | Activation | null,
        custom_encoder?: Module | null,
        custom_decoder?: Module | null,
        layer_norm_eps?: number,
        batch_first?: boolean,
        norm_first?: boolean,
        bias?: boolean,
      ]
    >
  ) {
    super();
    const options = layerArguments<TransformerOptions>(
      `Transformer.__init__(int d_model=512, int nhead=8, int num_encoder_layers=6, int num_decoder_layers=6, int dim_feedforward=2048, float dropout=0.1, any? activation=None, any? custom_encoder=None, any? custom_decoder=None, float layer_norm_eps=1e-5, bool batch_first=False, bool norm_first=False, bool bias=True, ${FACTORY})`,
      args,
    );
    const { d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias } =
      options;
    const factory = { device: options.device, dtype: options.dtype };
    const layer = {
      d_model,
      nhead,
      dim_feedforward,
      dropout,
      activation,
      layer_norm_eps,
      batch_first,
      norm_first,
      bias,
      ...factory,
    };
    const norm = (): LayerNorm => new LayerNorm(d_model, { eps: layer_norm_eps, bias, ...factory });
    if (options.custom_encoder !== null) this.encoder = options.custom_encoder;
    else this.encoder = new TransformerEncoder(new TransformerEncoderLayer(layer), options.num_encoder_layers, norm());
    if (options.custom_decoder !== null) this.decoder = options.custom_decoder;
    else this.decoder = new TransformerDecoder(new TransformerDecoderLayer(layer), options.num_decoder_layers, norm());
    this._reset_parameters();
    this.d_model = d_model;
    this.nhead = nhead;
    this.batch_first = batch_first;
  }

  /** A float mask (sz, sz): 0 where a query may look, at itself and before, and -inf after. */
  static generate_square_subsequent_mask(
    sz: number,
    device?: string | Device | null | FactoryOptions,
    dtype?: DType | null | FactoryOptions,
  ): Tensor {
    const [size, , type] = bind(`generate_square_subsequent_mask(int sz, ${FACTORY})`, [sz, device, dtype]) as [
      number,
      unknown,
      DType | null,
    ];
    return subsequentMask(size, type);
  }

  /** @internal */
  _reset_parameters(): void {
    for (const p of this.parameters()) if (p.sizes.length > 1) init.xavier_uniform_(p);
  }

  override forward(
    src: Tensor,
    tgt: Tensor,
    src_mask?: TransformerArgument<Tensor | null>,
    tgt_mask?: TransformerArgument<Tensor | null>,
    memory_mask?: TransformerArgument<Tensor | null>,
    src_key_padding_mask?: TransformerArgument<Tensor | null>,
    tgt_key_padding_mask?: TransformerArgument<Tensor | null>,
    memory_key_padding_mask?: TransformerArgument<Tensor | null>,
    src_is_causal?: TransformerArgument<boolean | null>,
    tgt_is_causal?: TransformerArgument<boolean | null>,
    memory_is_causal?: TransformerArgument<boolean>,
  ): Tensor {
    const [x, y, srcMask, tgtMask, memoryMask, srcPadding, tgtPadding, memoryPadding, srcCausal, tgtCausal, causal] =
      bind(
        "forward(Tensor src, Tensor tgt, Tensor? src_mask=None, Tensor? tgt_mask=None, Tensor? memory_mask=None, Tensor? src_key_padding_mask=None, Tensor? tgt_key_padding_mask=None, Tensor? memory_key_padding_mask=None, bool? src_is_causal=None, bool? tgt_is_causal=None, bool memory_is_causal=False)",
        [
          src,
          tgt,
          src_mask,
          tgt_mask,
          memory_mask,
          src_key_padding_mask,
          tgt_key_padding_mask,
          memory_key_padding_mask,
          src_is_causal,
          tgt_is_causal,
          memory_is_causal,
        ],
      ) as [
        Tensor,
        Tensor,
        Tensor | null,
        Tensor | null,
        Tensor | null,
        Tensor | null,
        Tensor | null,
        Tensor | null,
        boolean | null,
        boolean | null,
        boolean,
      ];
    const batchDim = this.batch_first ? 0 : 1;
    if (x.sizes.length === 3 && x.size(batchDim) !== y.size(batchDim)) {
      throw new RuntimeError("the batch number of src and tgt must be equal");
    }
    if (x.size(-1) !== this.d_model || y.size(-1) !== this.d_model) {
      throw new RuntimeError("the feature number of src and tgt must be equal to d_model");
    }
    const encode = this.encoder as unknown as (src: Tensor, call: EncoderCall) => Tensor;
    const decode = this.decoder as unknown as (tgt: Tensor, memory: Tensor, call: DecoderCall) => Tensor;
    const memory = encode(x, { mask: srcMask, src_key_padding_mask: srcPadding, is_causal: srcCausal });
    return decode(y, memory, {
      tgt_mask: tgtMask,
      memory_mask: memoryMask,
      tgt_key_padding_mask: tgtPadding,
      memory_key_padding_mask: memoryPadding,
      tgt_is_causal: tgtCausal,
      memory_is_causal: causal,
    });
  }
}
