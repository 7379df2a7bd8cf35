/** `torch.multinomial`: indices drawn with given weights. */

import { type DType, float32, float64, scalarTypeName } from "../dtype.ts";
import { roundTo } from "../elements.ts";
import { check } from "./arrays.ts";
import type { Generator } from "./generator.ts";
import { exponential_ } from "./transforms.ts";

/**
 * Draws `num_samples` indices from each row of `weights`, a contiguous array of `rows` rows whose weights need not sum
 * to 1, and returns them row after row. `dtype` is the tensor's: weights of the 16-bit types are given as their float32
 * values.
 *
 * With replacement, a sample is a float64 uniform (two words) looked up in the cumulated weights. Without, or for a
 * single sample, every weight is divided by an exponential sample (two words each) and the greatest quotients win,
 * greatest first: the "Gumbel trick" of argmax(log p - log(-log u)). Equal quotients (as of weights of zero) come in
 * index order here; PyTorch's order among them depends on its partial sort.
 *
 * The exponential samples are drawn for an array like the input, so for a transposed input in its memory order.
 */
export function multinomial(
  weights: Float32Array | Float64Array,
  rows: number,
  num_samples: number,
  replacement: boolean,
  generator: Generator,
  dtype: DType = weights instanceof Float64Array ? float64 : float32,
): Int32Array {
  check(
    dtype.is_floating_point,
    () => `multinomial only supports floating-point dtypes for input, got: ${scalarTypeName(dtype)}`,
  );
  check(num_samples > 0, () => "cannot sample n_sample <= 0 samples");
  const categories = rows === 0 ? 0 : weights.length / rows;
  check(
    replacement || rows === 0 || num_samples <= categories,
    () => "cannot sample n_sample > prob_dist.size(-1) samples without replacement",
  );
  check(categories <= 2 ** 24, () => "number of categories cannot exceed 2^24");
  const result = new Int32Array(rows * num_samples);
  if (replacement && num_samples > 1) {
    checkForReplacement(weights, rows, categories, dtype);
    drawWithReplacement(weights, rows, result, generator, dtype);
  } else {
    checkForRace(weights, rows, categories);
    drawByRace(weights, rows, result, generator, dtype);
  }
  return result;
}

/** The checks come before the draws, so that a failing call leaves the generator as it was. */
function checkForReplacement(
  weights: Float32Array | Float64Array,
  rows: number,
  categories: number,
  dtype: DType,
): void {
  const round = dtype === float64 ? (x: number) => x : Math.fround;
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let j = 0; j < categories; j++) {
      const weight = weights[row * categories + j];
      check(weight >= 0, () => "invalid multinomial distribution (encountering probability entry < 0)");
      check(
        Number.isFinite(weight),
        () => "invalid multinomial distribution (encountering probability entry = infinity or NaN)",
      );
      sum = round(sum + weight);
    }
    check(sum > 0, () => "invalid multinomial distribution (sum of probabilities <= 0)");
  }
}

function checkForRace(weights: Float32Array | Float64Array, rows: number, categories: number): void {
  for (const weight of weights) {
    check(
      weight >= 0 && weight < Number.POSITIVE_INFINITY,
      () => "probability tensor contains either `inf`, `nan` or element < 0",
    );
  }
  for (let row = 0; row < rows; row++) {
    const some = weights.subarray(row * categories, (row + 1) * categories).some((weight) => weight > 0);
    check(some, () => "invalid multinomial distribution (sum of probabilities <= 0)");
  }
}

function drawWithReplacement(
  weights: Float32Array | Float64Array,
  rows: number,
  result: Int32Array,
  generator: Generator,
  dtype: DType,
): void {
  const categories = weights.length / rows;
  const samples = result.length / rows;
  // Sums and quotients are rounded to float32 by being stored, for the 16-bit types too.
  const cumulated = dtype === float64 ? new Float64Array(categories) : new Float32Array(categories);
  for (let row = 0; row < rows; row++) {
    let previous = 0;
    for (let j = 0; j < categories; j++) {
      cumulated[j] = previous + weights[row * categories + j];
      previous = cumulated[j];
    }
    for (let j = 0; j < categories; j++) cumulated[j] /= previous;
    for (let i = 0; i < samples; i++) {
      const u = generator.random53();
      let low = 0;
      let high = categories;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (cumulated[middle] < u) low = middle + 1;
        else high = middle;
      }
      result[row * samples + i] = low;
    }
  }
}

function drawByRace(
  weights: Float32Array | Float64Array,
  rows: number,
  result: Int32Array,
  generator: Generator,
  dtype: DType,
): void {
  const categories = weights.length / rows;
  const samples = result.length / rows;
  const quotients = new Float64Array(weights.length);
  exponential_(quotients, generator, 1);
  for (let i = 0; i < quotients.length; i++) {
    quotients[i] = roundTo(dtype, weights[i] / roundTo(dtype, quotients[i]));
    // 0 / 0, where an exponential sample rounds to zero, counts as the greatest, as everywhere in PyTorch.
    if (Number.isNaN(quotients[i])) quotients[i] = Number.POSITIVE_INFINITY;
  }
  for (let row = 0; row < rows; row++) {
    const scores = quotients.subarray(row * categories, (row + 1) * categories);
    if (samples === 1) {
      let best = 0;
      for (let j = 1; j < categories; j++) if (scores[j] > scores[best]) best = j;
      result[row] = best;
      continue;
    }
    const order = Int32Array.from(scores, (_, j) => j).sort((a, b) => scores[b] - scores[a] || a - b);
    result.set(order.subarray(0, samples), row * samples);
  }
}
