/** What vmap does not do at once, or not at all: lists that may only become shorter. */

/** Ops that run once for each sample in some calls, for want of a rule that would be better than the loop. */
export const ONE_BY_ONE: readonly string[] = [
  "_pdist_backward",
  "bincount",
  "block_diag",
  "histc",
  "isin",
  // With a mask for each sample.
  "masked_scatter",
  // With running statistics of samples that do not lie one after another.
  "native_batch_norm",
  // With class weights for each sample.
  "nll_loss_backward",
  "nll_loss_forward",
  "pdist",
];

const READS_VALUES = /calling \.item\(\)|data pointer of Tensor/;
const DYNAMIC = /operators that can output dynamic shape/;
const MASK = /indexing with a boolean mask/;
const RUNNING = /which will be updated in place, were not batched|would mutate a captured Tensor/;

/** Calls that have no answer for a batch, as in PyTorch: sizes that depend on values, statistics that all samples would overwrite. */
export const REFUSED: Readonly<Record<string, RegExp>> = {
  __getitem__: MASK,
  argwhere: DYNAMIC,
  index_put: MASK,
  linspace: READS_VALUES,
  logspace: READS_VALUES,
  masked_scatter: /vmap over `mask`/,
  masked_select: /vmap over `mask`/,
  nanquantile: READS_VALUES,
  narrow: READS_VALUES,
  "nn.functional.batch_norm": RUNNING,
  // Labels and bags are read to plan the work.
  "nn.functional.ctc_loss": READS_VALUES,
  "nn.functional.embedding_bag": READS_VALUES,
  "nn.functional.instance_norm": RUNNING,
  "nn.functional.one_hot": /explicit positive num_classes/,
  nonzero: DYNAMIC,
  quantile: READS_VALUES,
  repeat_interleave: /output_size/,
  tensor_split: READS_VALUES,
  unique: DYNAMIC,
  unique_consecutive: DYNAMIC,
};
