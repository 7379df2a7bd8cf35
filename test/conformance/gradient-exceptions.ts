/**
 * Where a gradient is not the derivative, in PyTorch as here, each with its reason. An entry that no sample needs any more is
 * reported, so that it can go.
 */
import type { Sample } from "./golden.ts";

export interface GradientException {
  op: string;
  /** Tensors that do not get a gradient, by their number among the tensors of the call. */
  inputs?: (sample: Sample) => number[];
  /** The derivatives that may disagree: all (1) or the second only (2). */
  order?: 1 | 2;
  /** The samples that it is about; all if absent. */
  when?: (sample: Sample) => boolean;
  /** What the check has to say, where it is an error. */
  message?: RegExp;
  reason: string;
}

/** Numbers among the call's tensors of those given by these keywords, or in these places. */
const named =
  (keywords: readonly string[], places: readonly number[] = []) =>
  (sample: Sample): number[] => {
    const isTensor = (v: unknown): boolean => typeof v === "object" && v !== null && "shape" in v;
    const slots = [
      ...sample.args.map((v, i) => ({ v, refused: places.includes(i) })),
      ...Object.entries(sample.kwargs).map(([k, v]) => ({ v, refused: keywords.includes(k) })),
    ].filter(({ v }) => isTensor(v));
    return slots.flatMap(({ refused }, i) => (refused ? [i] : []));
  };

/** A size argument as a list. */
const sizes = (value: unknown): number[] =>
  (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(Number);

export const gradientExceptions: GradientException[] = [
  ...["cross_entropy", "nll_loss", "binary_cross_entropy", "multi_margin_loss"].map((op) => ({
    op: `nn.functional.${op}`,
    inputs: named(["weight"]),
    when: (s: Sample) => op !== "cross_entropy" || (s.args[1] as { t?: string }).t === "int64",
    reason: "a weight that requires a gradient is an error, as in PyTorch",
  })),
  {
    op: "nn.functional.binary_cross_entropy_with_logits",
    inputs: named(["weight", "pos_weight"]),
    reason: "weights that require a gradient are an error, as in PyTorch",
  },
  {
    op: "nn.functional.soft_margin_loss",
    inputs: named(["target"], [1]),
    reason: "a target that requires a gradient is an error, as in PyTorch",
  },
  ...["batch_norm", "instance_norm"].map((op) => ({
    op: `nn.functional.${op}`,
    inputs: named(["running_mean", "running_var"], [1, 2]),
    reason: "running statistics that require a gradient are an error, as in PyTorch",
  })),
  {
    op: "nn.functional.cosine_similarity",
    order: 1,
    when: (s) => s.kwargs.eps !== undefined && (s.kwargs.eps as { float?: number }).float === 0.5,
    reason: "where eps takes the place of a norm, PyTorch's gradient takes it for the norm",
  },
  {
    op: "nn.functional.embedding",
    order: 1,
    when: (s) => s.kwargs.padding_idx !== undefined || s.kwargs.scale_grad_by_freq === true,
    reason: "the gradient leaves out the padding, and is divided by how often an index occurs",
  },
  {
    op: "norm",
    order: 1,
    message: /singular value decomposition/,
    reason: "the nuclear norm needs a singular value decomposition, which is not there yet",
  },
  {
    op: "scatter_reduce",
    order: 2,
    message: /Double backward is unsupported/,
    reason: "PyTorch has no second derivative of a product with two zeros in it: an error",
  },
  {
    op: "nn.functional.linear_cross_entropy",
    inputs: named(["weight"]),
    when: (s) => (s.args[2] as { t?: string }).t === "int64",
    reason: "a weight that requires a gradient is an error, as in PyTorch",
  },
  ...[1, 2, 3].map((n) => ({
    op: `nn.functional.max_unpool${n}d`,
    order: 1 as const,
    when: (s: Sample) => sizes(s.kwargs.kernel_size).some((k) => sizes(s.kwargs.stride).some((stride) => stride < k)),
    reason:
      "where windows overlap, several elements go to one place: the last one stays, but PyTorch gives all the gradient",
  })),
  {
    op: "nn.functional.ctc_loss",
    order: 1,
    reason: "PyTorch's gradient is that of the logits behind a log_softmax; it has no second derivative",
  },
  {
    op: "nn.functional.pairwise_distance",
    order: 2,
    when: (s) => (s.args[0] as { shape: number[] }).shape[0] === 0,
    message: /not multiplied by grad_output/,
    reason: "the derivative of the norm of no elements is 0 / 0, as in PyTorch",
  },
  {
    op: "normal",
    order: 1,
    reason: "PyTorch defines the gradients of a sample by its mean and deviation as 0",
  },
];

/** Ops whose recorded points include some without a derivative, or so close to one that differences say nothing. */
const kinks: Record<string, readonly string[]> = {
  "a corner or a step at zero, at whole numbers, at powers of two, or at a bound": [
    ..."abs angle ceil clamp clamp_max clamp_min copysign div floor fmod frac frexp nan_to_num nextafter".split(" "),
    ..."relu remainder round sgn sign trunc".split(" "),
    ..."celu elu hardshrink hardsigmoid hardswish hardtanh leaky_relu prelu relu relu6 selu softshrink threshold"
      .split(" ")
      .map((op) => `nn.functional.${op}`),
  ],
  "equal values: which one is the extreme one, or the difference is 0 under a root": [
    ..."amax amin aminmax cdist cummax cummin dist fmax fmin kthvalue max maximum median min minimum mode msort".split(
      " ",
    ),
    ..."nanmedian nanquantile norm quantile index_reduce scatter_reduce sort std std_mean topk".split(" "),
    ..."adaptive_max_pool1d adaptive_max_pool2d max_pool1d max_pool2d max_pool3d cosine_similarity normalize"
      .split(" ")
      .map((op) => `nn.functional.${op}`),
  ],
  "the same inside a loss": [
    ..."cosine_embedding_loss hinge_embedding_loss huber_loss l1_loss margin_ranking_loss multi_margin_loss".split(" "),
    ..."multilabel_margin_loss pairwise_distance smooth_l1_loss triplet_margin_loss".split(" "),
  ].map((op) => `nn.functional.${op}`),
  "the end of the domain, where the formula stops growing": [
    ..."binary_cross_entropy gaussian_nll_loss kl_div poisson_nll_loss".split(" ").map((op) => `nn.functional.${op}`),
  ],
  "at 0, the numbers of the formula cancel or are as large as 1 / eps": ["sinc", "nn.functional.rms_norm"],
};
const kinked = new Set(Object.values(kinks).flat());

/** Whether the points of a sample have to be moved. Products have no kinks, but formulas of their own at zero. */
export const hasKinks = (op: string, sample: Sample): boolean =>
  kinked.has(op) && !sample.args.includes("prod") && sample.kwargs.reduce !== "prod";

export const exceptionsFor = (op: string, sample: Sample): GradientException[] =>
  gradientExceptions.filter((e) => e.op === op && (e.when?.(sample) ?? true));
