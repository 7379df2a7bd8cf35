/** Conversions between the 16-bit float formats and numbers. Storing rounds to nearest, ties to even. */

const scratch = new DataView(new ArrayBuffer(4));

function float32Bits(x: number): number {
  scratch.setFloat32(0, x);
  return scratch.getInt32(0);
}

/** The value of IEEE half-precision bits. */
export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The half-precision bits nearest to `x`. */
export function toFloat16(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(x);
  if (Number.isNaN(x)) return 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00; // halfway between the largest number and the next power of two
  // The unit in the last place; subnormal numbers share the smallest one.
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.max(magnitude, 2 ** -14))));
  const scaled = nearestEven(magnitude / 2 ** (exponent - 10));
  // A carry out of the fraction adds one to the exponent, which is the right bit pattern by itself.
  return sign | (scaled < 1024 ? scaled : ((exponent + 14) << 10) + scaled);
}

/** The value of bfloat16 bits: the upper half of a float32. */
export function fromBFloat16(bits: number): number {
  scratch.setInt32(0, bits << 16);
  return scratch.getFloat32(0);
}

/** The bfloat16 bits nearest to the float32 `x`. */
export function toBFloat16(x: number): number {
  if (Number.isNaN(x)) return 0x7fc0;
  const bits = float32Bits(x);
  return ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) & 0xffff;
}

/** Rounds a float to the nearest integer, ties to even; keeps the sign of zero. */
export function nearestEven(x: number): number {
  if (!(Math.abs(x) < 2 ** 52)) return x;
  // Above 2^52 a float64 has no fraction, so that the addition rounds to an integer.
  const magic = x < 0 || Object.is(x, -0) ? -(2 ** 52) : 2 ** 52;
  const rounded = x + magic - magic;
  return rounded === 0 ? 0 * x : rounded;
}
