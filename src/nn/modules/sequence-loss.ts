/** Losses of sequences and of large vocabularies: https://pytorch.org/docs/stable/nn.html#loss-functions */
import { RuntimeError, ValueError } from "../../errors.ts";
import { tensor } from "../../ops/creation.ts";
import { type NamedTensors, namedTensors } from "../../ops/define/named.ts";
import { cat } from "../../ops/joining.ts";
import { pythonFloat, pythonRepr, sizeToString } from "../../print/index.ts";
import { sameShape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import type { Lengths } from "../functional/ctc.ts";
import * as F from "../functional.ts";
import { Module } from "../module.ts";
import { type Arguments, FACTORY, type FactoryOptions, layerArguments } from "../options.ts";
import { ModuleList, Sequential } from "./container.ts";
import { Linear } from "./linear.ts";
import { Loss, type Reduction, WeightedLoss } from "./loss-base.ts";

export interface CTCLossOptions {
  /** The class of the blank. Default 0. */
  readonly blank?: number;
  /** "mean" (the default) divides by the lengths of the targets before. */
  readonly reduction?: Reduction;
  /** Losses of targets that are too long for their input, which are infinite, count as 0. Default false. */
  readonly zero_infinity?: boolean;
}

/** Connectionist temporal classification. Graves et al., 2006. */
export class CTCLoss extends Loss {
  blank: number;
  zero_infinity: boolean;

  constructor(
    ...args: Arguments<CTCLossOptions, [], [blank?: number, reduction?: Reduction, zero_infinity?: boolean]>
  ) {
    const { blank, reduction, zero_infinity } = layerArguments<CTCLossOptions>(
      'CTCLoss.__init__(int blank=0, str reduction="mean", bool zero_infinity=False)',
      args,
    );
    super({ reduction, size_average: null, reduce: null });
    this.blank = blank;
    this.zero_infinity = zero_infinity;
  }

  /** `log_probs` (T, N, C), `targets` (N, S) or (ΣS), and how long the inputs and the targets are. */
  override forward(log_probs: Tensor, targets: Tensor, input_lengths: Lengths, target_lengths: Lengths): Tensor {
    const { blank, reduction, zero_infinity } = this;
    return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, { blank, reduction, zero_infinity });
  }
}

export interface LinearCrossEntropyLossOptions extends FactoryOptions {
  readonly in_features: number;
  readonly num_classes: number;
  /** Further dimensions of the loss. Default none. */
  readonly out_features?: readonly number[];
  /** Learn an additive bias. Default false. */
  readonly bias?: boolean;
  readonly reduction?: Reduction;
  /** Factors of the classes. */
  readonly weight?: Tensor | null;
  /** Targets with this number do not count. */
  readonly ignore_index?: number | null;
  readonly label_smoothing?: number;
  /** How PyTorch splits the work; kept, without effect on the result. */
  readonly options?: unknown;
}

/** A linear layer and the cross entropy of its outputs. */
export class LinearCrossEntropyLoss extends WeightedLoss {
  num_classes: number;
  out_features: readonly number[];
  ignore_index: number | null;
  label_smoothing: number;
  linear: Linear;
  options: unknown;

  constructor(...args: Arguments<LinearCrossEntropyLossOptions, [in_features: number, num_classes: number]>) {
    const bound = layerArguments<LinearCrossEntropyLossOptions>(
      `LinearCrossEntropyLoss.__init__(int in_features, int num_classes, *, int[] out_features=[], bool bias=False, ${FACTORY}, str reduction="mean", Tensor? weight=None, int? ignore_index=None, float label_smoothing=0, any? options=None)`,
      args,
    );
    const { in_features, num_classes, out_features, bias, dtype, device, reduction, weight, label_smoothing } = bound;
    if (weight !== null && !sameShape(weight.shape, [num_classes])) {
      throw new RuntimeError(`expected weight shape to be (${num_classes},), got ${pythonRepr(weight.shape)}`);
    }
    if (label_smoothing < 0 || label_smoothing > 1) {
      throw new RuntimeError(`expected label_smoothing to be in range [0, 1], got ${label_smoothing}`);
    }
    super({ weight, reduction, size_average: null, reduce: null });
    this.num_classes = num_classes;
    this.out_features = out_features;
    this.ignore_index = bound.ignore_index;
    this.label_smoothing = label_smoothing;
    const count = out_features.reduce((n, s) => n * s, num_classes);
    this.linear = new Linear(in_features, count, bias, { dtype, device });
    this.options = bound.options;
  }

  override forward(input: Tensor, target: Tensor): Tensor {
    const { linear, weight, reduction, ignore_index, label_smoothing } = this;
    const shape = [this.num_classes, ...this.out_features];
    return F.linear_cross_entropy(input, linear.weight.reshape([...shape, linear.in_features]), target, {
      linear_bias: linear.bias === null ? null : linear.bias.reshape(shape),
      weight,
      reduction,
      ignore_index,
      label_smoothing,
    });
  }

  override extra_repr(): string {
    const { linear, num_classes, out_features, reduction, ignore_index, label_smoothing } = this;
    return `in_features=${linear.in_features}, num_classes=${num_classes}, out_features=${pythonRepr(out_features)}, bias=${pythonRepr(linear.bias !== null)}, reduction=${reduction}, ignore_index=${pythonRepr(ignore_index)}, label_smoothing=${pythonRepr(pythonFloat(label_smoothing))}, options=${pythonRepr(this.options)}`;
  }
}

export interface AdaptiveLogSoftmaxWithLossOptions extends FactoryOptions {
  readonly in_features: number;
  readonly n_classes: number;
  /** Where clusters begin: classes, sorted by frequency, before the first are in the head. */
  readonly cutoffs: readonly number[];
  /** How much smaller each cluster's projection is than the one before. Default 4. */
  readonly div_value?: number;
  /** Learn a bias in the head. Default false. */
  readonly head_bias?: boolean;
}

const adaptiveResult = namedTensors("_ASMoutput", ["output", "loss"]);

/**
 * A softmax over many classes that gives rare ones a smaller projection: Grave et al., 2017. The result has `output`, the
 * log-probabilities of the targets (N), and `loss`, minus their mean.
 */
export class AdaptiveLogSoftmaxWithLoss extends Module {
  in_features: number;
  n_classes: number;
  cutoffs: number[];
  div_value: number;
  head_bias: boolean;
  shortlist_size: number;
  n_clusters: number;
  head_size: number;
  head: Linear;
  tail: ModuleList;

  constructor(
    ...args: Arguments<
      AdaptiveLogSoftmaxWithLossOptions,
      [in_features: number, n_classes: number, cutoffs: readonly number[]],
      [div_value?: number, head_bias?: boolean]
    >
  ) {
    super();
    const { in_features, n_classes, cutoffs, div_value, head_bias, ...factory } =
      layerArguments<AdaptiveLogSoftmaxWithLossOptions>(
        `AdaptiveLogSoftmaxWithLoss.__init__(int in_features, int n_classes, int[] cutoffs, float div_value=4, bool head_bias=False, ${FACTORY})`,
        args,
      );
    if (cutoffs.length === 0) throw new ValueError("cutoffs should be a sequence of length larger than 0");
    const rising = cutoffs.every((c, i) => c > 0 && c < n_classes && (i === 0 || c > cutoffs[i - 1]));
    if (!rising) {
      throw new ValueError(
        "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value is between 1 and n_classes-1",
      );
    }
    this.in_features = in_features;
    this.n_classes = n_classes;
    this.cutoffs = [...cutoffs, n_classes];
    this.div_value = div_value;
    this.head_bias = head_bias;
    this.shortlist_size = cutoffs[0];
    this.n_clusters = cutoffs.length;
    this.head_size = this.shortlist_size + this.n_clusters;
    this.head = new Linear(in_features, this.head_size, head_bias, factory);
    this.tail = new ModuleList();
    for (let i = 0; i < this.n_clusters; i++) {
      const width = Math.floor(in_features / div_value ** (i + 1));
      const classes = this.cutoffs[i + 1] - this.cutoffs[i];
      this.tail.append(
        new Sequential(new Linear(in_features, width, false, factory), new Linear(width, classes, false, factory)),
      );
    }
  }

  reset_parameters(): void {
    for (const layer of [...this.modules()]) if (layer instanceof Linear) layer.reset_parameters();
  }

  private cluster(i: number, input: Tensor): Tensor {
    return F.log_softmax((this.tail.at(i) as Sequential)(input), 1);
  }

  override forward(input: Tensor, target: Tensor): NamedTensors<"output" | "loss"> {
    const rank = target.dim();
    if (rank > 1) throw new RuntimeError("0D or 1D target tensor expected, multi-target not supported");
    if (rank === 1 && input.size(0) !== target.size(0)) {
      throw new RuntimeError("Input and target should have the same size in the batch dimension.");
    }
    if (input.dim() !== rank + 1) {
      throw new RuntimeError(
        `${rank}D${rank === 1 ? " target tensor" : " target tensor"} expects ${rank + 1}D input tensors, but found inputs with size ${sizeToString(input.shape)}`,
      );
    }
    const x = rank === 1 ? input : input.unsqueeze(0);
    const labels = ((rank === 1 ? target : target.unsqueeze(0)).tolist() as (number | bigint)[]).map(Number);
    if (labels.some((c) => c < 0 || c >= this.n_classes)) {
      throw new RuntimeError(
        `Target values should be in [0, ${this.n_classes - 1}], but values in range [${Math.min(...labels)}, ${Math.max(...labels)}] were found. `,
      );
    }
    const integers = (list: readonly number[]): Tensor => tensor(BigInt64Array.from(list, (v) => BigInt(v)));
    /** In the head: the class itself, or the cluster that it is in. */
    const inHead = labels.map((c) => {
      const cluster = this.cutoffs.findLastIndex((cut) => c >= cut);
      return cluster < 0 ? c : this.shortlist_size + cluster;
    });
    const head = F.log_softmax(this.head(x), 1);
    let output = head.gather(1, integers(inHead).unsqueeze(1)).squeeze(1);
    for (let i = 0; i < this.n_clusters; i++) {
      const rows = labels.flatMap((c, n) => (c >= this.cutoffs[i] && c < this.cutoffs[i + 1] ? [n] : []));
      if (rows.length === 0) continue;
      const places = integers(rows);
      const own = integers(rows.map((n) => labels[n] - this.cutoffs[i])).unsqueeze(1);
      output = output.index_add(0, places, this.cluster(i, x.index_select(0, places)).gather(1, own).squeeze(1));
    }
    const loss = output.neg().mean();
    return adaptiveResult([rank === 1 ? output : output.squeeze(0), loss]);
  }

  /** Log-probabilities of all classes: (N, in_features) gives (N, n_classes). */
  log_prob(input: Tensor): Tensor {
    const head = F.log_softmax(this.head(input), 1);
    const parts = [head.narrow(1, 0, this.shortlist_size)];
    for (let i = 0; i < this.n_clusters; i++) {
      parts.push(this.cluster(i, input).add(head.narrow(1, this.shortlist_size + i, 1)));
    }
    return cat(parts, 1);
  }

  /** The most probable class of each row, where a class of the head that beats all clusters is taken at once: (N). */
  predict(input: Tensor): Tensor {
    const first = this.head(input).argmax(1);
    const rare = first.ge(this.shortlist_size);
    if (!rare.any().item()) return first;
    return this.log_prob(input).argmax(1).where(rare, first);
  }
}
