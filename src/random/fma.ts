/**
 * `a * b + c` rounded once. PyTorch's CPU kernels are compiled with fused multiply-adds, which JavaScript lacks;
 * without them half of the results of `uniform_(a, b)` differ in the last bit.
 */

/** For float32 operands. The product is exact in float64, so only the sum is rounded before the last rounding. */
export function fma32(a: number, b: number, c: number): number {
  return Math.fround(a * b + c);
}

/** 2^27 + 1: splits a float64 into two halves of 26 bits. */
const SPLITTER = 134217729;

/**
 * For float64 operands that neither overflow nor underflow.
 * Source: T. J. Dekker, "A floating-point technique for extending the available precision" (1971), for the product;
 * S. Boldo, G. Melquiond, "Emulation of FMA and correctly rounded sums" (2008), for the sum, without its rounding to odd:
 * a wrong last bit needs a remainder within 2^-50 of half an ulp.
 */
export function fma64(a: number, b: number, c: number): number {
  const product = a * b;
  const aBig = SPLITTER * a;
  const aHigh = aBig - (aBig - a);
  const aLow = a - aHigh;
  const bBig = SPLITTER * b;
  const bHigh = bBig - (bBig - b);
  const bLow = b - bHigh;
  const productError = aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
  const low = c + productError;
  const lowShift = low - c;
  const lowError = c - (low - lowShift) + (productError - lowShift);
  const sum = product + low;
  const sumShift = sum - product;
  const sumError = product - (sum - sumShift) + (low - sumShift);
  const result = sum + (sumError + lowError);
  return Number.isNaN(result) ? product + c : result;
}
