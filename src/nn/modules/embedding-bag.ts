/** Bags of embeddings: https://pytorch.org/docs/stable/generated/torch.nn.EmbeddingBag.html */
import { withGradMode } from "../../autograd/mode.ts";
import { NotImplementedError, ValueError } from "../../errors.ts";
import { empty } from "../../ops/creation.ts";
import { pythonFloat, pythonRepr } from "../../print/index.ts";
import { sameShape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import * as F from "../functional.ts";
import * as init from "../init.ts";
import { Module } from "../module.ts";
import { type Arguments, FACTORY, type FactoryOptions, layerArguments } from "../options.ts";
import { Parameter } from "../parameter.ts";

interface BagOptions {
  /** Rows that are used and whose norm exceeds this are scaled down to it, in place. */
  readonly max_norm?: number | null;
  /** The order of that norm. Default 2. */
  readonly norm_type?: number;
  /** Divide gradients by how often a row occurs in the batch. Default false. */
  readonly scale_grad_by_freq?: boolean;
  /** "mean" (the default), "sum" or "max". */
  readonly mode?: "sum" | "mean" | "max";
  /** Sparse gradients; not supported. Default false. */
  readonly sparse?: boolean;
  /** The last offset is the end of the last bag. Default false. */
  readonly include_last_offset?: boolean;
  /** Rows of this index are zero at first and do not count. */
  readonly padding_idx?: number | null;
}

export interface EmbeddingBagOptions extends BagOptions, FactoryOptions {
  readonly num_embeddings: number;
  readonly embedding_dim: number;
  /** @internal */ readonly _weight?: Tensor | null;
}

const LOOKUP =
  'float? max_norm=None, float norm_type=2, bool scale_grad_by_freq=False, str mode="mean", bool sparse=False';

/** A table of vectors, of which bags are summed, averaged, or compared for the largest: bags (B, N) give (B, embedding_dim). */
export class EmbeddingBag extends Module {
  num_embeddings: number;
  embedding_dim: number;
  max_norm: number | null;
  norm_type: number;
  scale_grad_by_freq: boolean;
  padding_idx: number | null;
  /** Shape (num_embeddings, embedding_dim). */
  weight: Parameter;
  mode: "sum" | "mean" | "max";
  sparse: boolean;
  include_last_offset: boolean;

  constructor(
    ...args: Arguments<
      EmbeddingBagOptions,
      [num_embeddings: number, embedding_dim: number],
      [
        max_norm?: number | null,
        norm_type?: number,
        scale_grad_by_freq?: boolean,
        mode?: "sum" | "mean" | "max",
        sparse?: boolean,
      ]
    >
  ) {
    super();
    const options = layerArguments<EmbeddingBagOptions>(
      `EmbeddingBag.__init__(int num_embeddings, int embedding_dim, ${LOOKUP}, Tensor? _weight=None, bool include_last_offset=False, int? padding_idx=None, ${FACTORY})`,
      args,
    );
    const { num_embeddings, embedding_dim, padding_idx, _weight } = options;
    if (padding_idx !== null && (padding_idx >= num_embeddings || padding_idx < -num_embeddings)) {
      throw new ValueError("padding_idx must be within num_embeddings");
    }
    if (options.sparse) throw new NotImplementedError("EmbeddingBag: sparse gradients need sparse tensors");
    this.num_embeddings = num_embeddings;
    this.embedding_dim = embedding_dim;
    this.max_norm = options.max_norm;
    this.norm_type = options.norm_type;
    this.scale_grad_by_freq = options.scale_grad_by_freq;
    this.padding_idx = padding_idx !== null && padding_idx < 0 ? padding_idx + num_embeddings : padding_idx;
    if (_weight === null) {
      const { dtype, device } = options;
      this.weight = new Parameter(empty([num_embeddings, embedding_dim], { dtype, device }));
      this.reset_parameters();
    } else {
      if (!sameShape(_weight.shape, [num_embeddings, embedding_dim])) {
        throw new ValueError("Shape of weight does not match num_embeddings and embedding_dim");
      }
      this.weight = new Parameter(_weight);
    }
    this.mode = options.mode;
    this.sparse = options.sparse;
    this.include_last_offset = options.include_last_offset;
  }

  /** A layer with the rows of a matrix, which it shares. `freeze` (default true): the matrix is not trained. */
  static from_pretrained(
    ...args: Arguments<
      BagOptions & { embeddings: Tensor; freeze?: boolean },
      [embeddings: Tensor],
      [freeze?: boolean, max_norm?: number | null, norm_type?: number]
    >
  ): EmbeddingBag {
    const { embeddings, freeze, ...lookup } = layerArguments<BagOptions & { embeddings: Tensor; freeze?: boolean }>(
      `EmbeddingBag.from_pretrained(Tensor embeddings, bool freeze=True, ${LOOKUP}, bool include_last_offset=False, int? padding_idx=None)`,
      args,
    );
    if (embeddings.dim() !== 2) throw new ValueError("Embeddings parameter is expected to be 2-dimensional");
    const [num_embeddings, embedding_dim] = embeddings.shape;
    const layer = new EmbeddingBag({ num_embeddings, embedding_dim, ...lookup, _weight: embeddings });
    layer.weight.requires_grad_(!freeze);
    return layer;
  }

  reset_parameters(): void {
    init.normal_(this.weight);
    const { padding_idx } = this;
    if (padding_idx !== null) withGradMode(false, () => this.weight.select(0, padding_idx).fill_(0));
  }

  /** Bags (B, N), or indices (N) with the `offsets` at which bags begin; sums may weigh rows by `per_sample_weights`. */
  override forward(input: Tensor, offsets: Tensor | null = null, per_sample_weights: Tensor | null = null): Tensor {
    const { max_norm, norm_type, scale_grad_by_freq, mode, sparse, include_last_offset, padding_idx } = this;
    return F.embedding_bag(input, this.weight, {
      offsets,
      max_norm,
      norm_type,
      scale_grad_by_freq,
      mode,
      sparse,
      per_sample_weights,
      include_last_offset,
      padding_idx,
    });
  }

  override extra_repr(): string {
    let text = `${this.num_embeddings}, ${this.embedding_dim}`;
    if (this.max_norm !== null) text += `, max_norm=${pythonRepr(this.max_norm)}`;
    if (this.norm_type !== 2) text += `, norm_type=${pythonRepr(pythonFloat(this.norm_type))}`;
    if (this.scale_grad_by_freq) text += ", scale_grad_by_freq=True";
    text += `, mode=${pythonRepr(this.mode)}`;
    if (this.padding_idx !== null) text += `, padding_idx=${this.padding_idx}`;
    return text;
  }
}
