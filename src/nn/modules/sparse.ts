/** Embeddings: https://pytorch.org/docs/stable/generated/torch.nn.Embedding.html */
import { withGradMode } from "../../autograd/mode.ts";
import { NotImplementedError, ValueError } from "../../errors.ts";
import { empty } from "../../ops/creation.ts";
import { pythonRepr } from "../../print/index.ts";
import { sameShape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import * as F from "../functional.ts";
import * as init from "../init.ts";
import { Module } from "../module.ts";
import { type Arguments, FACTORY, type FactoryOptions, layerArguments } from "../options.ts";
import { Parameter } from "../parameter.ts";

interface LookupOptions {
  /** The row of this index is zero at first and gets no gradient. */
  readonly padding_idx?: number | null;
  /** Rows that are used and whose norm exceeds this are scaled down to it, in place. */
  readonly max_norm?: number | null;
  /** The order of that norm. Default 2. */
  readonly norm_type?: number;
  /** Divide gradients by how often a row occurs in the batch. Default false. */
  readonly scale_grad_by_freq?: boolean;
  /** Sparse gradients; not supported. Default false. */
  readonly sparse?: boolean;
}

export interface EmbeddingOptions extends LookupOptions, FactoryOptions {
  readonly num_embeddings: number;
  readonly embedding_dim: number;
  /** @internal */ readonly _weight?: Tensor | null;
  /** @internal */ readonly _freeze?: boolean;
}

const LOOKUP =
  "int? padding_idx=None, float? max_norm=None, float norm_type=2, bool scale_grad_by_freq=False, bool sparse=False";

/** A table of vectors: indices (*) give (*, embedding_dim). Starts normal with mean 0 and variance 1. */
export class Embedding extends Module {
  num_embeddings: number;
  embedding_dim: number;
  padding_idx: number | null;
  max_norm: number | null;
  norm_type: number;
  scale_grad_by_freq: boolean;
  sparse: boolean;
  /** Shape (num_embeddings, embedding_dim). */
  weight: Parameter;

  constructor(
    ...args: Arguments<
      EmbeddingOptions,
      [num_embeddings: number, embedding_dim: number],
      [
        padding_idx?: number | null,
        max_norm?: number | null,
        norm_type?: number,
        scale_grad_by_freq?: boolean,
        sparse?: boolean,
      ]
    >
  ) {
    super();
    const options = layerArguments<EmbeddingOptions>(
      `Embedding.__init__(int num_embeddings, int embedding_dim, ${LOOKUP}, Tensor? _weight=None, bool _freeze=False, ${FACTORY})`,
      args,
    );
    const { num_embeddings, embedding_dim, padding_idx, _weight } = options;
    if (padding_idx !== null && (padding_idx >= num_embeddings || padding_idx < -num_embeddings)) {
      throw new ValueError("Padding_idx must be within num_embeddings");
    }
    if (options.sparse) throw new NotImplementedError("Embedding: sparse gradients need sparse tensors");
    this.num_embeddings = num_embeddings;
    this.embedding_dim = embedding_dim;
    this.padding_idx = padding_idx !== null && padding_idx < 0 ? padding_idx + num_embeddings : padding_idx;
    this.max_norm = options.max_norm;
    this.norm_type = options.norm_type;
    this.scale_grad_by_freq = options.scale_grad_by_freq;
    this.sparse = options.sparse;
    if (_weight === null) {
      const { dtype, device } = options;
      this.weight = new Parameter(empty([num_embeddings, embedding_dim], { dtype, device }), !options._freeze);
      this.reset_parameters();
    } else {
      if (!sameShape(_weight.shape, [num_embeddings, embedding_dim])) {
        throw new ValueError("Shape of weight does not match num_embeddings and embedding_dim");
      }
      this.weight = new Parameter(_weight, !options._freeze);
    }
  }

  /** A layer with the rows of a matrix, which it shares. `freeze` (default true): the matrix is not trained. */
  static from_pretrained(
    ...args: Arguments<
      LookupOptions & { embeddings: Tensor; freeze?: boolean },
      [embeddings: Tensor],
      [freeze?: boolean, padding_idx?: number | null, max_norm?: number | null, norm_type?: number]
    >
  ): Embedding {
    const { embeddings, freeze, ...lookup } = layerArguments<LookupOptions & { embeddings: Tensor; freeze?: boolean }>(
      `Embedding.from_pretrained(Tensor embeddings, bool freeze=True, ${LOOKUP})`,
      args,
    );
    if (embeddings.dim() !== 2) throw new ValueError("Embeddings parameter is expected to be 2-dimensional");
    const [num_embeddings, embedding_dim] = embeddings.shape;
    return new Embedding({ num_embeddings, embedding_dim, ...lookup, _weight: embeddings, _freeze: freeze });
  }

  reset_parameters(): void {
    init.normal_(this.weight);
    const { padding_idx } = this;
    if (padding_idx !== null) withGradMode(false, () => this.weight.select(0, padding_idx).fill_(0));
  }

  override forward(input: Tensor): Tensor {
    const { weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse } = this;
    return F.embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse);
  }

  override extra_repr(): string {
    let text = `${this.num_embeddings}, ${this.embedding_dim}`;
    if (this.padding_idx !== null) text += `, padding_idx=${this.padding_idx}`;
    if (this.max_norm !== null) text += `, max_norm=${pythonRepr(this.max_norm)}`;
    if (this.norm_type !== 2) text += `, norm_type=${pythonRepr(this.norm_type)}`;
    if (this.scale_grad_by_freq) text += ", scale_grad_by_freq=True";
    if (this.sparse) text += ", sparse=True";
    return text;
  }
}
