/** The orientation that a camera wrote beside a picture. Source: EXIF 2.32, section 4.6 */

/** Where the orientation is in EXIF data, and its byte order; null where there is none or the data is damaged. */
function findOrientation(tiff: Uint8Array): { at: number; little: boolean } | null {
  if (tiff.length < 14) return null;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return null;
  const little = order === 0x4949;
  if (view.getUint16(2, little) !== 42) return null;
  const directory = view.getUint32(4, little);
  if (directory + 2 > tiff.length) return null;
  const entries = view.getUint16(directory, little);
  for (let i = 0, at = directory + 2; i < entries && at + 12 <= tiff.length; i++, at += 12) {
    if (view.getUint16(at, little) === 0x112) return { at: at + 8, little };
  }
  return null;
}

/** 1 to 8; 1 where the data does not say it. `tiff` begins with the byte order, without "Exif\0\0". */
export function exifOrientation(tiff: Uint8Array): number {
  const found = findOrientation(tiff);
  if (found === null) return 1;
  return new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength).getUint16(found.at, found.little);
}

/** The EXIF data of a JPEG file, in the segment APP1 before the picture begins; null if there is none. */
function jpegExif(bytes: Uint8Array): Uint8Array | null {
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda; ) {
    const length = (bytes[at + 2] << 8) | bytes[at + 3];
    const segment = bytes.subarray(at + 4, at + 2 + length);
    const isExif = bytes[at + 1] === 0xe1 && String.fromCharCode(...segment.subarray(0, 6)) === "Exif\0\0";
    if (isExif) return segment.subarray(6);
    at += 2 + length;
  }
  return null;
}

/** The orientation in a JPEG file. */
export function jpegOrientation(bytes: Uint8Array): number {
  const exif = jpegExif(bytes);
  return exif === null ? 1 : exifOrientation(exif);
}

/** The file with the orientation 1, for decoders that would turn the picture by themselves. */
export function uprightJpeg(bytes: Uint8Array): Uint8Array {
  if (jpegOrientation(bytes) === 1) return bytes;
  const copy = bytes.slice();
  const exif = jpegExif(copy) as Uint8Array;
  const { at, little } = findOrientation(exif) as { at: number; little: boolean };
  new DataView(exif.buffer, exif.byteOffset, exif.byteLength).setUint16(at, 1, little);
  return copy;
}
