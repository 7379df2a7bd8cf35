/** Distributions that take as many uniforms as it needs: Poisson, binomial and gamma. */
import { check } from "./arrays.ts";
import type { Generator } from "./generator.ts";
import { standardNormal } from "./normal.ts";

type Floats = Float32Array | Float64Array;

/**
 * `torch.poisson`: a sample for each rate, into an array like `rates`.
 * Source: W. Hormann, "The transformed rejection method for generating Poisson random variables" (1993), for rates of 10
 * and more; products of uniforms for smaller ones.
 */
export function poisson(out: Floats, rates: Floats, generator: Generator): void {
  for (const rate of rates) check(rate >= 0, () => "invalid Poisson rate, expected rate to be non-negative");
  for (let i = 0; i < out.length; i++) out[i] = poissonSample(rates[i], generator);
}

function poissonSample(rate: number, generator: Generator): number {
  if (rate === 0) return 0;
  if (rate < 10) {
    const limit = Math.exp(-rate);
    let product = generator.random53();
    let count = 0;
    while (product > limit) {
      count++;
      product *= generator.random53();
    }
    return count;
  }
  const logRate = Math.log(rate);
  const b = 0.931 + 2.53 * Math.sqrt(rate);
  const a = -0.059 + 0.02483 * b;
  const inverseAlpha = 1.1239 + 1.1328 / (b - 3.4);
  const acceptance = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const u = generator.random53() - 0.5;
    const v = generator.random53();
    const us = 0.5 - Math.abs(u);
    const k = Math.floor(((2 * a) / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= acceptance) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    const ratio = Math.log(v) + Math.log(inverseAlpha) - Math.log(a / (us * us) + b);
    if (ratio <= -rate + k * logRate - logFactorial(k)) return k;
  }
}

/** log(k!) to float64's precision: the logarithms of the first factors, then Stirling's series. */
function logFactorial(k: number): number {
  if (k < 16) {
    let product = 1;
    for (let i = 2; i <= k; i++) product *= i;
    return Math.log(product);
  }
  const x = k + 1;
  const inverseSquare = 1 / (x * x);
  const series =
    (1 / 12 -
      inverseSquare * (1 / 360 - inverseSquare * (1 / 1260 - inverseSquare * (1 / 1680 - inverseSquare / 1188)))) /
    x;
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series;
}

/**
 * `torch.binomial`: the number of successes in `counts[i]` trials of probability `probs[i]`. Both have `out`'s type, and
 * where that is float32 part of the arithmetic is done in it.
 * Source: W. Hormann, "The generation of binomial random variates" (1993), algorithm BTRS, where 10 or more successes
 * (or failures) are expected; sums of geometric samples (L. Devroye, 1986) elsewhere.
 */
export function binomial(out: Floats, counts: Floats, probs: Floats, generator: Generator): void {
  const round = out instanceof Float64Array ? (x: number) => x : Math.fround;
  for (let i = 0; i < out.length; i++) out[i] = binomialSample(counts[i], probs[i], generator, round);
}

function binomialSample(count: number, prob: number, generator: Generator, round: (x: number) => number): number {
  if (count <= 0 || prob <= 0) return 0;
  if (prob >= 1) return count;
  if (Number.isNaN(prob)) return Number.NaN;
  const q = prob <= 0.5 ? prob : round(1 - prob);
  const rare =
    round(count * q) >= 10
      ? binomialRejection(count, q, generator, round)
      : binomialInversion(count, q, generator, round);
  return prob <= 0.5 ? rare : count - rare;
}

function binomialInversion(count: number, prob: number, generator: Generator, round: (x: number) => number): number {
  const logFailure = round(Math.log1p(-prob));
  let successes = 0;
  let trials = 0;
  for (;;) {
    trials += Math.ceil(Math.log(generator.random53()) / logFailure);
    if (trials > count) return successes;
    successes++;
  }
}

function binomialRejection(count: number, prob: number, generator: Generator, round: (x: number) => number): number {
  const mean = round(count * prob);
  const stddev = round(Math.sqrt(round(mean * round(1 - prob))));
  const b = 1.15 + 2.53 * stddev;
  const a = -0.0873 + 0.0248 * b + 0.01 * prob;
  const c = mean + 0.5;
  const acceptance = 0.92 - 4.2 / b;
  const odds = round(prob / round(1 - prob));
  const alpha = (2.83 + 5.1 / b) * stddev;
  const mode = Math.floor(round(round(count + 1) * prob));
  for (;;) {
    const u = generator.random53() - 0.5;
    let v = generator.random53();
    const us = 0.5 - Math.abs(u);
    const k = round(Math.floor(((2 * a) / us + b) * u + c));
    if (k < 0 || k > count) continue;
    if (us >= 0.07 && v <= acceptance) return k;
    v = Math.log((v * alpha) / (a / (us * us) + b));
    const above = round(round(count - k) + 1);
    const bound =
      (mode + 0.5) * Math.log((mode + 1) / (odds * (count - mode + 1))) +
      round(count + 1) * Math.log((count - mode + 1) / above) +
      (k + 0.5) * Math.log((odds * above) / round(k + 1)) +
      stirlingTail(mode) +
      stirlingTail(count - mode) -
      stirlingTail(k) -
      stirlingTail(round(count - k));
    if (v <= bound) return k;
  }
}

const STIRLING_TAIL = [
  0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
  0.0138761288230707, 0.0118967099458917, 0.010411265261972, 0.00925546218271273, 0.00833056343336287,
];

/** What Stirling's formula for log(k!) leaves out. */
function stirlingTail(k: number): number {
  if (k < STIRLING_TAIL.length) return STIRLING_TAIL[Math.trunc(k)];
  const square = (k + 1) * (k + 1);
  return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1);
}

/** 1/3 and 0.0331 in float32, as PyTorch's kernel has them in float64 arithmetic too. */
const THIRD = Math.fround(1 / 3);
const SQUEEZE = Math.fround(0.0331);

/**
 * `torch._standard_gamma`: a sample for each shape parameter, of scale 1. It uses and leaves the generator's kept normal.
 * Source: G. Marsaglia, W. W. Tsang, "A simple method for generating gamma variables" (2000).
 */
export function standard_gamma(out: Floats, alphas: Floats, generator: Generator): void {
  const wide = out instanceof Float64Array;
  const round = wide ? (x: number) => x : Math.fround;
  const smallest = wide ? 2 ** -1022 : 2 ** -126;
  for (let i = 0; i < out.length; i++) out[i] = Math.max(smallest, round(gammaSample(alphas[i], generator, round)));
}

function gammaSample(shape: number, generator: Generator, round: (x: number) => number): number {
  let scale = 1;
  let alpha = shape;
  if (alpha < 1) {
    if (alpha === 0) return 0;
    scale = (1 - generator.random53()) ** round(1 / alpha);
    alpha = round(alpha + 1);
  }
  const d = round(alpha - THIRD);
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    let x = standardNormal(generator);
    let y = 1 + c * x;
    while (y <= 0) {
      x = standardNormal(generator);
      y = 1 + c * x;
    }
    const v = y * y * y;
    const u = 1 - generator.random53();
    const square = x * x;
    if (u < 1 - SQUEEZE * square * square) return scale * d * v;
    if (Math.log(u) < 0.5 * square + d * (1 - v + Math.log(v))) return scale * d * v;
  }
}
