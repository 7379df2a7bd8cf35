/** Python's ints of any size: numbers while they are safe integers, else bigints. */

/** The number, if it is safe. */
export function normalizeInt(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Little-endian two's complement, as the opcodes LONG1 and LONG4 have it; no bytes mean 0. */
export function decodeLong(bytes: Uint8Array): number | bigint {
  if (bytes.length === 0) return 0;
  if (bytes.length <= 6) {
    let value = 0;
    for (let i = bytes.length - 1; i >= 0; i--) value = value * 256 + bytes[i];
    return bytes[bytes.length - 1] & 0x80 ? value - 256 ** bytes.length : value;
  }
  let hex = "";
  for (let i = bytes.length - 1; i >= 0; i--) hex += bytes[i].toString(16).padStart(2, "0");
  return normalizeInt(BigInt.asIntN(bytes.length * 8, BigInt(`0x${hex}`)));
}

/** The shortest little-endian two's complement. */
export function encodeLong(value: bigint): Uint8Array {
  if (value === 0n) return new Uint8Array(0);
  const magnitude = value < 0n ? -value - 1n : value;
  const length = (magnitude.toString(16).length * 4 + 8) >> 3;
  let hex = BigInt.asUintN(length * 8, value)
    .toString(16)
    .padStart(length * 2, "0");
  // The estimate counts whole hexadecimal digits and may be one byte too long.
  const sign = value < 0n ? "ff" : "00";
  const topBit = Number.parseInt(hex.slice(2, 3), 16) >= 8;
  if (hex.length > 2 && hex.startsWith(sign) && topBit === value < 0n) hex = hex.slice(2);
  const out = new Uint8Array(hex.length / 2);
  for (let i = 0; i < out.length; i++)
    out[i] = Number.parseInt(hex.slice(hex.length - 2 * i - 2, hex.length - 2 * i), 16);
  return out;
}
