/** The next number after x in the direction of y, in float64 and in float32. */

const bits = new DataView(new ArrayBuffer(8));

export function nextafter(x: number, y: number): number {
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.NaN;
  if (x === y) return y;
  if (x === 0) return y > 0 ? 2 ** -1074 : -(2 ** -1074);
  bits.setFloat64(0, x);
  // Away from zero the bit pattern grows.
  bits.setBigInt64(0, bits.getBigInt64(0) + (x < y === x > 0 ? 1n : -1n));
  return bits.getFloat64(0);
}

/** `nextafter` for float32 values: it is the one function whose float32 result is not the float64 one rounded. */
export function nextafterFloat32(x: number, y: number): number {
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.NaN;
  if (x === y) return y;
  if (x === 0) return y > 0 ? 2 ** -149 : -(2 ** -149);
  bits.setFloat32(0, x);
  bits.setInt32(0, bits.getInt32(0) + (x < y === x > 0 ? 1 : -1));
  return bits.getFloat32(0);
}
