/** Multi-head attention: https://pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html */
import { AssertionError, ValueError } from "../../errors.ts";
import { empty } from "../../ops/creation.ts";
import { bind } from "../../ops/define/schema.ts";
import type { Tensor } from "../../tensor.ts";
import { multiHeadAttention } from "../functional/multi-head-attention.ts";
import * as init from "../init.ts";
import { Module } from "../module.ts";
import { type Arguments, FACTORY, type FactoryOptions, layerArguments } from "../options.ts";
import { Parameter } from "../parameter.ts";
import { Linear } from "./linear.ts";

/** @internal A linear layer under the name that PyTorch's text has for it. */
export class NonDynamicallyQuantizableLinear extends Linear {}

export interface MultiheadAttentionOptions extends FactoryOptions {
  /** Features of queries and of the result, divisible by `num_heads`. */
  readonly embed_dim: number;
  readonly num_heads: number;
  /** The probability of an attention weight to be dropped. Default 0. */
  readonly dropout?: number;
  /** Learn additive biases of the projections. Default true. */
  readonly bias?: boolean;
  /** Learn one key and one value more, for all sequences. Default false. */
  readonly add_bias_kv?: boolean;
  /** Add a key and a value of zeros. Default false. */
  readonly add_zero_attn?: boolean;
  /** Features of keys. Default `embed_dim`. */
  readonly kdim?: number | null;
  /** Features of values. Default `embed_dim`. */
  readonly vdim?: number | null;
  /** Inputs are (N, L, E), not (L, N, E). Default false. */
  readonly batch_first?: boolean;
}

/** Keyword arguments of a call of `MultiheadAttention`. */
export interface MultiheadAttentionCall {
  /** (N, S), or (S) without a batch: true where a key is ignored, or a float that is added. */
  readonly key_padding_mask?: Tensor | null;
  /** Also return the weights. Default true; false is faster. */
  readonly need_weights?: boolean;
  /** (L, S) or (N·num_heads, L, S): true where a query may not look, or a float that is added. */
  readonly attn_mask?: Tensor | null;
  /** Return the mean of the heads' weights. Default true. */
  readonly average_attn_weights?: boolean;
  /** Says that `attn_mask` is the causal one, which then need not be read. Default false. */
  readonly is_causal?: boolean;
}

type Call<T> = T | MultiheadAttentionCall;

/**
 * Attention of several heads: query (L, N, E), key (S, N, kdim) and value (S, N, vdim), or without N, give [output (L, N, E),
 * weights (N, L, S)]; the weights are null without `need_weights`, and (N, num_heads, L, S) if not averaged. With `batch_first`
 * N is the first dimension. Vaswani et al., "Attention Is All You Need", 2017.
 */
export class MultiheadAttention extends Module {
  embed_dim: number;
  kdim: number;
  vdim: number;
  /** @internal */ _qkv_same_embed_dim: boolean;
  num_heads: number;
  dropout: number;
  batch_first: boolean;
  head_dim: number;
  q_proj_weight: Parameter | null = null;
  k_proj_weight: Parameter | null = null;
  v_proj_weight: Parameter | null = null;
  /** (3·embed_dim, embed_dim): query, key and value; null where kdim or vdim differ. */
  in_proj_weight: Parameter | null = null;
  in_proj_bias: Parameter | null;
  out_proj: NonDynamicallyQuantizableLinear;
  bias_k: Parameter | null;
  bias_v: Parameter | null;
  add_zero_attn: boolean;

  constructor(
    ...args: Arguments<
      MultiheadAttentionOptions,
      [embed_dim: number, num_heads: number],
      [
        dropout?: number,
        bias?: boolean,
        add_bias_kv?: boolean,
        add_zero_attn?: boolean,
        kdim?: number | null,
        vdim?: number | null,
        batch_first?: boolean,
      ]
    >
  ) {
    super();
    const { embed_dim, num_heads, dropout, bias, add_bias_kv, add_zero_attn, kdim, vdim, batch_first, ...factory } =
      layerArguments<MultiheadAttentionOptions>(
        `MultiheadAttention.__init__(int embed_dim, int num_heads, float dropout=0.0, bool bias=True, bool add_bias_kv=False, bool add_zero_attn=False, int? kdim=None, int? vdim=None, bool batch_first=False, ${FACTORY})`,
        args,
      );
    if (embed_dim <= 0 || num_heads <= 0) {
      throw new ValueError(
        `embed_dim and num_heads must be greater than 0, got embed_dim=${embed_dim} and num_heads=${num_heads} instead`,
      );
    }
    this.embed_dim = embed_dim;
    this.kdim = kdim ?? embed_dim;
    this.vdim = vdim ?? embed_dim;
    this._qkv_same_embed_dim = this.kdim === embed_dim && this.vdim === embed_dim;
    this.num_heads = num_heads;
    this.dropout = dropout;
    this.batch_first = batch_first;
    this.head_dim = Math.floor(embed_dim / num_heads);
    if (this.head_dim * num_heads !== embed_dim) {
      throw new AssertionError("embed_dim must be divisible by num_heads");
    }
    const parameter = (...shape: number[]): Parameter => new Parameter(empty(shape, factory));
    if (this._qkv_same_embed_dim) this.in_proj_weight = parameter(3 * embed_dim, embed_dim);
    else {
      this.q_proj_weight = parameter(embed_dim, embed_dim);
      this.k_proj_weight = parameter(embed_dim, this.kdim);
      this.v_proj_weight = parameter(embed_dim, this.vdim);
    }
    this.in_proj_bias = bias ? parameter(3 * embed_dim) : null;
    this.out_proj = new NonDynamicallyQuantizableLinear(embed_dim, embed_dim, { bias, ...factory });
    this.bias_k = add_bias_kv ? parameter(1, 1, embed_dim) : null;
    this.bias_v = add_bias_kv ? parameter(1, 1, embed_dim) : null;
    this.add_zero_attn = add_zero_attn;
    this._reset_parameters();
  }

  /** @internal */
  _reset_parameters(): void {
    for (const weight of [this.in_proj_weight, this.q_proj_weight, this.k_proj_weight, this.v_proj_weight]) {
      if (weight !== null) init.xavier_uniform_(weight);
    }
    if (this.in_proj_bias !== null) {
      init.constant_(this.in_proj_bias, 0);
      init.constant_(this.out_proj.bias as Parameter, 0);
    }
    if (this.bias_k !== null) init.xavier_normal_(this.bias_k);
    if (this.bias_v !== null) init.xavier_normal_(this.bias_v);
  }

  override forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask?: Call<Tensor | null>,
    need_weights?: Call<boolean>,
    attn_mask?: Call<Tensor | null>,
    average_attn_weights?: Call<boolean>,
    is_causal?: Call<boolean>,
  ): [output: Tensor, weights: Tensor | null] {
    const [q, k, v, padding, weights, mask, average, causal] = bind(
      "forward(Tensor query, Tensor key, Tensor value, Tensor? key_padding_mask=None, bool need_weights=True, Tensor? attn_mask=None, bool average_attn_weights=True, bool is_causal=False)",
      [query, key, value, key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal],
    ) as [Tensor, Tensor, Tensor, Tensor | null, boolean, Tensor | null, boolean, boolean];
    return multiHeadAttention(
      {
        query: q,
        key: k,
        value: v,
        embed_dim_to_check: this.embed_dim,
        num_heads: this.num_heads,
        in_proj_weight: this.in_proj_weight,
        in_proj_bias: this.in_proj_bias,
        bias_k: this.bias_k,
        bias_v: this.bias_v,
        add_zero_attn: this.add_zero_attn,
        dropout_p: this.dropout,
        out_proj_weight: this.out_proj.weight,
        out_proj_bias: this.out_proj.bias,
        training: this.training,
        key_padding_mask: padding,
        need_weights: weights,
        attn_mask: mask,
        use_separate_proj_weight: !this._qkv_same_embed_dim,
        q_proj_weight: this.q_proj_weight,
        k_proj_weight: this.k_proj_weight,
        v_proj_weight: this.v_proj_weight,
        static_k: null,
        static_v: null,
        average_attn_weights: average,
        is_causal: causal,
      },
      this.batch_first,
    );
  }
}
