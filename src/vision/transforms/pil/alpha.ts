/** Colours weighted by alpha, as Pillow's modes La and RGBa have them. */
import { multiplyBytes, type PixelArray } from "../../image-modes.ts";

/** Colours times alpha, which is the last channel. */
export function premultiply(data: PixelArray, bands: number): Uint8Array {
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += bands) {
    const alpha = data[i + bands - 1];
    for (let band = 0; band < bands - 1; band++) out[i + band] = multiplyBytes(data[i + band], alpha);
    out[i + bands - 1] = alpha;
  }
  return out;
}

/** The inverse, as far as it goes. */
export function unpremultiply(data: PixelArray, bands: number): Uint8Array {
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += bands) {
    const alpha = data[i + bands - 1];
    for (let band = 0; band < bands - 1; band++) {
      const value = data[i + band];
      out[i + band] = alpha === 255 || alpha === 0 ? value : Math.min(Math.trunc((255 * value) / alpha), 255);
    }
    out[i + bands - 1] = alpha;
  }
  return out;
}
