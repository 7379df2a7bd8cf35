/** The layers of transformers: https://pytorch.org/docs/stable/nn.html#transformer-layers */
import { RuntimeError } from "../../errors.ts";
import { bind } from "../../ops/define/schema.ts";
import type { Tensor } from "../../tensor.ts";
import { canonicalMask } from "../functional/multi-head-attention.ts";
import * as F from "../functional.ts";
import { Module } from "../module.ts";
import { type Arguments, FACTORY, type FactoryOptions, layerArguments } from "../options.ts";
import { GELU, ReLU } from "./activation.ts";
import { MultiheadAttention } from "./attention.ts";
import { Dropout } from "./dropout.ts";
import { Linear } from "./linear.ts";
import { LayerNorm } from "./normalization.ts";

/** A function of a tensor, or a module. */
export type Activation = (input: Tensor) => Tensor;

export interface TransformerLayerOptions extends FactoryOptions {
  /** Features of inputs and outputs. */
  readonly d_model: number;
  /** Heads of attention. */
  readonly nhead: number;
  /** Features between the two linear layers. Default 2048. */
  readonly dim_feedforward?: number;
  /** Default 0.1. */
  readonly dropout?: number;
  /** "relu", "gelu", a function or a module. Default `F.relu`. */
  readonly activation?: "relu" | "gelu" | Activation | null;
  /** Default 1e-5. */
  readonly layer_norm_eps?: number;
  /** Inputs are (N, S, E), not (S, N, E). Default false. */
  readonly batch_first?: boolean;
  /** Normalize before attention and feed-forward, not after. Default false. */
  readonly norm_first?: boolean;
  /** Learn biases of linear layers and norms. Default true. */
  readonly bias?: boolean;
}

type LayerArguments = Arguments<
  TransformerLayerOptions,
  [d_model: number, nhead: number],
  [
    dim_feedforward?: number,
    dropout?: number,
    activation?: "relu" | "gelu" | Activation | null,
    layer_norm_eps?: number,
    batch_first?: boolean,
    norm_first?: boolean,
    bias?: boolean,
  ]
>;

const PARAMETERS = `int d_model, int nhead, int dim_feedforward=2048, float dropout=0.1, any? activation=None, float layer_norm_eps=1e-5, bool batch_first=False, bool norm_first=False, bool bias=True, ${FACTORY}`;

function activationOf(given: "relu" | "gelu" | Activation | null): Activation {
  if (given === null || given === "relu") return F.relu;
  if (given === "gelu") return F.gelu;
  if (typeof given === "string") throw new RuntimeError(`activation should be relu/gelu, not ${String(given)}`);
  return given;
}

/** Keyword arguments of a call of `TransformerEncoderLayer`. */
export interface EncoderLayerCall {
  readonly src_mask?: Tensor | null;
  readonly src_key_padding_mask?: Tensor | null;
  /** Says that `src_mask` is the causal one. Default false. */
  readonly is_causal?: boolean;
}

/** Self-attention and a feed-forward network, each with dropout, a residual connection and a norm. (S, N, E) gives the same shape. */
export class TransformerEncoderLayer extends Module {
  self_attn: MultiheadAttention;
  linear1: Linear;
  dropout: Dropout;
  linear2: Linear;
  norm_first: boolean;
  norm1: LayerNorm;
  norm2: LayerNorm;
  dropout1: Dropout;
  dropout2: Dropout;
  activation: Activation;
  /** @internal 1 for ReLU, 2 for GELU, else 0. */
  activation_relu_or_gelu: number;

  constructor(...args: LayerArguments) {
    super();
    const options = layerArguments<TransformerLayerOptions>(`TransformerEncoderLayer.__init__(${PARAMETERS})`, args);
    const { d_model, nhead, dim_feedforward, dropout, layer_norm_eps: eps, batch_first, norm_first, bias } = options;
    const factory = { device: options.device, dtype: options.dtype };
    this.self_attn = new MultiheadAttention(d_model, nhead, { dropout, bias, batch_first, ...factory });
    this.linear1 = new Linear(d_model, dim_feedforward, { bias, ...factory });
    this.dropout = new Dropout(dropout);
    this.linear2 = new Linear(dim_feedforward, d_model, { bias, ...factory });
    this.norm_first = norm_first;
    this.norm1 = new LayerNorm(d_model, { eps, bias, ...factory });
    this.norm2 = new LayerNorm(d_model, { eps, bias, ...factory });
    this.dropout1 = new Dropout(dropout);
    this.dropout2 = new Dropout(dropout);
    this.activation = activationOf(options.activation);
    const { activation } = this;
    if (activation === F.relu || activation instanceof ReLU) this.activation_relu_or_gelu = 1;
    else this.activation_relu_or_gelu = activation === F.gelu || activation instanceof GELU ? 2 : 0;
  }

  override forward(
    src: Tensor,
    src_mask?: Tensor | null | EncoderLayerCall,
    src_key_padding_mask?: Tensor | null | EncoderLayerCall,
    is_causal?: boolean | EncoderLayerCall,
  ): Tensor {
    const [x, givenMask, givenPadding, causal] = bind(
      "forward(Tensor src, Tensor? src_mask=None, Tensor? src_key_padding_mask=None, bool is_causal=False)",
      [src, src_mask, src_key_padding_mask, is_causal],
    ) as [Tensor, Tensor | null, Tensor | null, boolean];
    const other = { dtype: givenMask?.dtype ?? null, name: "src_mask" };
    const key_padding_mask = canonicalMask(givenPadding, "src_key_padding_mask", x.dtype, other);
    const attn_mask = canonicalMask(givenMask, "src_mask", x.dtype);
    const attend = (y: Tensor): Tensor => {
      const call = { attn_mask, key_padding_mask, need_weights: false, is_causal: causal };
      return this.dropout1(this.self_attn(y, y, y, call)[0]);
    };
    // Figure 1 of https://arxiv.org/abs/2002.04745.
    if (this.norm_first) {
      const y = x.add(attend(this.norm1(x)));
      return y.add(this.feedForward(this.norm2(y)));
    }
    const y = this.norm1(x.add(attend(x)));
    return this.norm2(y.add(this.feedForward(y)));
  }

  private feedForward(x: Tensor): Tensor {
    return this.dropout2(this.linear2(this.dropout(this.activation(this.linear1(x)))));
  }
}

/** Keyword arguments of a call of `TransformerDecoderLayer`. */
export interface DecoderLayerCall {
  readonly tgt_mask?: Tensor | null;
  readonly memory_mask?: Tensor | null;
  readonly tgt_key_padding_mask?: Tensor | null;
  readonly memory_key_padding_mask?: Tensor | null;
  /** Says that `tgt_mask` is the causal one. Default false. */
  readonly tgt_is_causal?: boolean;
  /** Says that `memory_mask` is the causal one. Default false. */
  readonly memory_is_causal?: boolean;
}

type DecoderCall<T> = T | DecoderLayerCall;

/** Self-attention, attention to `memory`, and a feed-forward network. tgt (T, N, E) and memory (S, N, E) give (T, N, E). */
export class TransformerDecoderLayer extends Module {
  self_attn: MultiheadAttention;
  multihead_attn: MultiheadAttention;
  linear1: Linear;
  dropout: Dropout;
  linear2: Linear;
  norm_first: boolean;
  norm1: LayerNorm;
  norm2: LayerNorm;
  norm3: LayerNorm;
  dropout1: Dropout;
  dropout2: Dropout;
  dropout3: Dropout;
  activation: Activation;

  constructor(...args: LayerArguments) {
    super();
    const options = layerArguments<TransformerLayerOptions>(`TransformerDecoderLayer.__init__(${PARAMETERS})`, args);
    const { d_model, nhead, dim_feedforward, dropout, layer_norm_eps: eps, batch_first, norm_first, bias } = options;
    const factory = { device: options.device, dtype: options.dtype };
    this.self_attn = new MultiheadAttention(d_model, nhead, { dropout, bias, batch_first, ...factory });
    this.multihead_attn = new MultiheadAttention(d_model, nhead, { dropout, bias, batch_first, ...factory });
    this.linear1 = new Linear(d_model, dim_feedforward, { bias, ...factory });
    this.dropout = new Dropout(dropout);
    this.linear2 = new Linear(dim_feedforward, d_model, { bias, ...factory });
    this.norm_first = norm_first;
    this.norm1 = new LayerNorm(d_model, { eps, bias, ...factory });
    this.norm2 = new LayerNorm(d_model, { eps, bias, ...factory });
    this.norm3 = new LayerNorm(d_model, { eps, bias, ...factory });
    this.dropout1 = new Dropout(dropout);
    this.dropout2 = new Dropout(dropout);
    this.dropout3 = new Dropout(dropout);
    this.activation = activationOf(options.activation);
  }

  override forward(
    tgt: Tensor,
    memory: Tensor,
    tgt_mask?: DecoderCall<Tensor | null>,
    memory_mask?: DecoderCall<Tensor | null>,
    tgt_key_padding_mask?: DecoderCall<Tensor | null>,
    memory_key_padding_mask?: DecoderCall<Tensor | null>,
    tgt_is_causal?: DecoderCall<boolean>,
    memory_is_causal?: DecoderCall<boolean>,
  ): Tensor {
    const [x, mem, tgtMask, memoryMask, tgtPadding, memoryPadding, tgtCausal, memoryCausal] = bind(
      "forward(Tensor tgt, Tensor memory, Tensor? tgt_mask=None, Tensor? memory_mask=None, Tensor? tgt_key_padding_mask=None, Tensor? memory_key_padding_mask=None, bool tgt_is_causal=False, bool memory_is_causal=False)",
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
    ) as [Tensor, Tensor, Tensor | null, Tensor | null, Tensor | null, Tensor | null, boolean, boolean];
    const own = { attn_mask: tgtMask, key_padding_mask: tgtPadding, is_causal: tgtCausal, need_weights: false };
    const cross = {
      attn_mask: memoryMask,
      key_padding_mask: memoryPadding,
      is_causal: memoryCausal,
      need_weights: false,
    };
    const attend = (y: Tensor): Tensor => this.dropout1(this.self_attn(y, y, y, own)[0]);
    const look = (y: Tensor): Tensor => this.dropout2(this.multihead_attn(y, mem, mem, cross)[0]);
    if (this.norm_first) {
      let y = x.add(attend(this.norm1(x)));
      y = y.add(look(this.norm2(y)));
      return y.add(this.feedForward(this.norm3(y)));
    }
    let y = this.norm1(x.add(attend(x)));
    y = this.norm2(y.add(look(y)));
    return this.norm3(y.add(this.feedForward(y)));
  }

  private feedForward(x: Tensor): Tensor {
    return this.dropout3(this.linear2(this.dropout(this.activation(this.linear1(x)))));
  }
}
