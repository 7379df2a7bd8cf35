/** The orientation that a camera wrote beside a picture. Source: EXIF 2.32, section 4.6 */

/** 1 to 8; 1 where the data does not say it or is damaged. `tiff` begins with the byte order, without "Exif\0\0". */
export function exifOrientation(tiff: Uint8Array): number {
  if (tiff.length < 14) return 1;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return 1;
  const little = order === 0x4949;
  if (view.getUint16(2, little) !== 42) return 1;
  const directory = view.getUint32(4, little);
  if (directory + 2 > tiff.length) return 1;
  const entries = view.getUint16(directory, little);
  for (let i = 0, at = directory + 2; i < entries && at + 12 <= tiff.length; i++, at += 12) {
    if (view.getUint16(at, little) === 0x112) return view.getUint16(at + 8, little);
  }
  return 1;
}

/** The orientation in a JPEG file: in the segment APP1, before the picture begins. */
export function jpegOrientation(bytes: Uint8Array): number {
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda; ) {
    const length = (bytes[at + 2] << 8) | bytes[at + 3];
    const segment = bytes.subarray(at + 4, at + 2 + length);
    const isExif = bytes[at + 1] === 0xe1 && String.fromCharCode(...segment.subarray(0, 6)) === "Exif\0\0";
    if (isExif) return exifOrientation(segment.subarray(6));
    at += 2 + length;
  }
  return 1;
}
