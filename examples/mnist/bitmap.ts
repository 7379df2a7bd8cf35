/** Small pictures as data addresses, so that a page needs no files beside it. */

export type Colour = readonly [red: number, green: number, blue: number];

/** A BMP picture with 24 bits for each pixel: a header of 54 bytes, then the rows from the bottom up. */
export function bitmap(width: number, height: number, colourAt: (x: number, y: number) => Colour): string {
  const stride = Math.ceil((3 * width) / 4) * 4;
  const bytes = Buffer.alloc(54 + stride * height);
  bytes.write("BM");
  bytes.writeUInt32LE(bytes.length, 2);
  bytes.writeUInt32LE(54, 10);
  bytes.writeUInt32LE(40, 14);
  bytes.writeInt32LE(width, 18);
  bytes.writeInt32LE(height, 22);
  bytes.writeUInt16LE(1, 26);
  bytes.writeUInt16LE(24, 28);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [red, green, blue] = colourAt(x, y);
      bytes.set([blue, green, red], 54 + (height - 1 - y) * stride + 3 * x);
    }
  }
  return `data:image/bmp;base64,${bytes.toString("base64")}`;
}

/** From blue (-1) over white (0) to red (1). */
export function diverging(value: number): Colour {
  const v = Math.max(-1, Math.min(1, value));
  const mix = (from: number, to: number): number => Math.round(from + (to - from) * Math.abs(v));
  return v < 0 ? [mix(250, 33), mix(250, 102), mix(250, 172)] : [mix(250, 203), mix(250, 67), mix(250, 53)];
}
