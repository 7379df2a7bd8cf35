/** Sequences of different lengths for recurrent networks: https://pytorch.org/docs/stable/nn.html#utilities */
import type { DType } from "../../dtype.ts";
import { RuntimeError, ValueError } from "../../errors.ts";
import { tensor as makeTensor } from "../../ops/creation.ts";
import { bind } from "../../ops/define/schema.ts";
import { cat, stack } from "../../ops/joining.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";

/**
 * Sequences without padding, the longest first: their first elements, then their second ones, … Made by `pack_sequence` and
 * `pack_padded_sequence`.
 */
export class PackedSequence {
  /** All elements (elements, *). */
  readonly data: Tensor;
  /** How many sequences have an element at each step. */
  readonly batch_sizes: Tensor;
  /** Where the sequences were before they were sorted by length, and where they are now; null if they came sorted. */
  readonly sorted_indices: Tensor | null;
  readonly unsorted_indices: Tensor | null;

  constructor(
    data: Tensor,
    batch_sizes: Tensor,
    sorted_indices: Tensor | null = null,
    unsorted_indices: Tensor | null = null,
  ) {
    this.data = data;
    this.batch_sizes = batch_sizes;
    this.sorted_indices = sorted_indices;
    this.unsorted_indices = unsorted_indices ?? invert_permutation(sorted_indices);
  }

  *[Symbol.iterator](): Iterator<Tensor | null> {
    yield this.data;
    yield this.batch_sizes;
    yield this.sorted_indices;
    yield this.unsorted_indices;
  }

  /** The same sequences with other elements: one for each that is there now. */
  withData(data: Tensor): PackedSequence {
    return new PackedSequence(data, this.batch_sizes, this.sorted_indices, this.unsorted_indices);
  }
  /** The elements converted: as `Tensor.to`. */
  to(dtype: DType): PackedSequence {
    const data = this.data.to(dtype);
    return data === this.data ? this : this.withData(data);
  }
  double(): PackedSequence {
    return this.withData(this.data.double());
  }
  float(): PackedSequence {
    return this.withData(this.data.float());
  }
  half(): PackedSequence {
    return this.withData(this.data.half());
  }
  cpu(): PackedSequence {
    return this;
  }
  get is_cuda(): boolean {
    return false;
  }
}

/** The permutation that undoes another. */
export function invert_permutation(permutation: Tensor | null): Tensor | null {
  if (permutation === null) return null;
  const places = integers(permutation);
  const inverse = new BigInt64Array(places.length);
  places.forEach((p, i) => {
    inverse[p] = BigInt(i);
  });
  return makeTensor(inverse);
}

function integers(x: Tensor): number[] {
  return (x.tolist() as (number | bigint)[]).map(Number);
}

const indexTensor = (values: readonly number[]): Tensor => makeTensor(BigInt64Array.from(values, (v) => BigInt(v)));

/** Keyword arguments of `pack_padded_sequence`. */
export interface PackOptions {
  /** The input is (B, T, *) instead of (T, B, *). */
  readonly batch_first?: boolean;
  /** The sequences are sorted by decreasing length; otherwise they are sorted here. Default true. */
  readonly enforce_sorted?: boolean;
}

/** Padded sequences (T, B, *) of the given lengths without their padding. */
export function pack_padded_sequence(
  input: Tensor,
  lengths: Tensor | readonly number[],
  batch_first?: boolean | PackOptions,
  enforce_sorted?: boolean | PackOptions,
): PackedSequence {
  const [given, sizes, batchFirst, sorted] = bind(
    "pack_padded_sequence(Tensor input, any lengths, bool batch_first=False, bool enforce_sorted=True)",
    [input, lengths, batch_first, enforce_sorted],
  ) as [Tensor, Tensor | readonly number[], boolean, boolean];
  let list = is_tensor(sizes) ? integers(sizes) : [...sizes];
  let padded = batchFirst ? given.transpose(0, 1) : given;
  const [, batch] = padded.shape;
  if (list.length !== batch) {
    throw new RuntimeError(
      `Expected \`len(lengths)\` to be equal to batch_size, but got ${list.length} (batch_size=${batch})`,
    );
  }
  let order: Tensor | null = null;
  if (!sorted) {
    // Longest first; those of equal length keep their order.
    const places = list.map((_, i) => i).sort((a, b) => list[b] - list[a] || a - b);
    list = places.map((p) => list[p]);
    order = indexTensor(places);
    padded = padded.index_select(1, order);
  }
  if (list.at(-1) === undefined || (list.at(-1) as number) <= 0) {
    throw new RuntimeError(
      "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0",
    );
  }
  for (let i = 1; i < list.length; i++) {
    if (list[i] > list[i - 1]) {
      throw new RuntimeError(
        "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do not need ONNX exportability.",
      );
    }
  }
  if (list[0] > padded.size(0)) {
    throw new RuntimeError(
      `Expected lengths of at most ${padded.size(0)}, the size of the padded input, but got ${list[0]}`,
    );
  }
  const batchSizes = stepCounts(list);
  const rows = rowNumbers(batchSizes, batch);
  const flat = padded.reshape([padded.size(0) * batch, ...padded.shape.slice(2)]);
  return new PackedSequence(flat.index_select(0, indexTensor(rows)), indexTensor(batchSizes), order);
}

/** How many of the sequences, longest first, reach each step. */
function stepCounts(lengths: readonly number[]): number[] {
  return Array.from({ length: lengths[0] }, (_, t) => lengths.filter((n) => n > t).length);
}

/** Row numbers, in a padded (T · batch) list, of what is not padding. */
function rowNumbers(batchSizes: readonly number[], batch: number): number[] {
  return batchSizes.flatMap((count, t) => Array.from({ length: count }, (_, b) => t * batch + b));
}

/** Keyword arguments of `pad_packed_sequence`. */
export interface PadPackedOptions {
  /** The result is (B, T, *) instead of (T, B, *). */
  readonly batch_first?: boolean;
  readonly padding_value?: number;
  /** Pad to this length instead of the longest sequence's. */
  readonly total_length?: number | null;
}

/** The inverse of `pack_padded_sequence`: padded sequences and their lengths. */
export function pad_packed_sequence(
  sequence: PackedSequence,
  batch_first?: boolean | PadPackedOptions,
  padding_value?: number | PadPackedOptions,
  total_length?: number | null | PadPackedOptions,
): [padded: Tensor, lengths: Tensor] {
  const [packed, batchFirst, fill, total] = bind(
    "pad_packed_sequence(any sequence, bool batch_first=False, float padding_value=0, int? total_length=None)",
    [sequence, batch_first, padding_value, total_length],
  ) as [PackedSequence, boolean, number, number | null];
  const batchSizes = integers(packed.batch_sizes);
  const steps = batchSizes.length;
  if (total !== null && total < steps) {
    throw new ValueError(
      `Expected total_length to be at least the length of the longest sequence in input, but got total_length=${total} and max sequence length being ${steps}`,
    );
  }
  const [batch] = batchSizes;
  const length = total ?? steps;
  const { data } = packed;
  const rest = data.shape.slice(1);
  const blank = data.new_full([length * batch, ...rest], fill);
  let padded = blank.index_copy(0, indexTensor(rowNumbers(batchSizes, batch)), data).reshape([length, batch, ...rest]);
  let lengths = Array.from({ length: batch }, (_, b) => batchSizes.filter((count) => count > b).length);
  const order = packed.unsorted_indices;
  if (order !== null) {
    padded = padded.index_select(1, order);
    const sorted = lengths;
    lengths = integers(order).map((p) => sorted[p]);
  }
  return [batchFirst ? padded.transpose(0, 1) : padded, indexTensor(lengths)];
}

/** Keyword arguments of `pad_sequence`. */
export interface PadOptions {
  /** The result is (B, T, *) instead of (T, B, *). */
  readonly batch_first?: boolean;
  readonly padding_value?: number;
  readonly padding_side?: "right" | "left";
}

/** Sequences (Lᵢ, *) made equally long and put beside each other: (T, B, *). */
export function pad_sequence(
  sequences: readonly Tensor[],
  batch_first?: boolean | PadOptions,
  padding_value?: number | PadOptions,
  padding_side?: "right" | "left" | PadOptions,
): Tensor {
  const [given, batchFirst, fill, side] = bind(
    'pad_sequence(any sequences, bool batch_first=False, float padding_value=0, str padding_side="right")',
    [sequences, batch_first, padding_value, padding_side],
  ) as [Iterable<Tensor>, boolean, number, string];
  const list = [...given];
  if (list.length === 0) throw new RuntimeError("received an empty list of sequences");
  if (side !== "right" && side !== "left") {
    throw new RuntimeError(`Expected padding_side to be one of left or right, but got ${side}.`);
  }
  const [first] = list;
  const rest = first.shape.slice(1);
  const longest = Math.max(...list.map((s) => s.size(0)));
  const padded = list.map((s) => {
    const missing = longest - s.size(0);
    if (missing === 0) return s;
    const blank = s.new_full([missing, ...rest], fill);
    return cat(side === "left" ? [blank, s] : [s, blank]);
  });
  return stack(padded, batchFirst ? 0 : 1);
}

/** The inverse of `pad_sequence`. */
export function unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first = false): Tensor[] {
  const rows = batch_first ? padded_sequences : padded_sequences.transpose(0, 1);
  return integers(lengths).map((n, i) => rows.select(0, i).narrow(0, 0, n));
}

/** Sequences (Lᵢ, *) packed; by default they must be sorted by decreasing length. */
export function pack_sequence(
  sequences: readonly Tensor[],
  enforce_sorted: boolean | PackOptions = true,
): PackedSequence {
  const sorted = typeof enforce_sorted === "boolean" ? enforce_sorted : (enforce_sorted.enforce_sorted ?? true);
  const lengths = sequences.map((s) => s.size(0));
  return pack_padded_sequence(pad_sequence(sequences), lengths, { enforce_sorted: sorted });
}

/** The inverse of `pack_sequence`. */
export function unpack_sequence(packed_sequences: PackedSequence): Tensor[] {
  const [padded, lengths] = pad_packed_sequence(packed_sequences, true);
  return unpad_sequence(padded, lengths, true);
}
