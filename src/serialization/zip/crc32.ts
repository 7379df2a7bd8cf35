/** CRC-32 as in zip and PNG (ISO 3309, polynomial 0xEDB88320), eight bytes per step. */

const tables: readonly Uint32Array[] = makeTables();

function makeTables(): Uint32Array[] {
  const list = Array.from({ length: 8 }, () => new Uint32Array(256));
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    list[0][n] = c;
  }
  for (let t = 1; t < 8; t++) {
    for (let n = 0; n < 256; n++) list[t][n] = (list[t - 1][n] >>> 8) ^ list[0][list[t - 1][n] & 255];
  }
  return list;
}

/** The checksum of `bytes`, continuing from that of the bytes before them. */
export function crc32(bytes: Uint8Array, previous = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables;
  let c = ~previous;
  let i = 0;
  // Eight tables take eight bytes at a time ("slicing by 8", Kounavis and Berry, 2005).
  for (const end = bytes.length - 7; i < end; i += 8) {
    c ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    c =
      t7[c & 255] ^
      t6[(c >>> 8) & 255] ^
      t5[(c >>> 16) & 255] ^
      t4[c >>> 24] ^
      t3[bytes[i + 4]] ^
      t2[bytes[i + 5]] ^
      t1[bytes[i + 6]] ^
      t0[bytes[i + 7]];
  }
  for (; i < bytes.length; i++) c = (c >>> 8) ^ t0[(c ^ bytes[i]) & 255];
  return ~c >>> 0;
}
