/** `torchvision.io`: pictures as files. Everything is asynchronous. PNG is read and written here; other formats by sharp in Node. */
export {
  type DecodeOptions,
  decode_gif,
  decode_image,
  decode_jpeg,
  decode_png,
  decode_webp,
  type EncodedImage,
  read_image,
} from "./decode.ts";
export { encode_jpeg, encode_png, type JpegOptions, type PngOptions, write_jpeg, write_png } from "./encode.ts";
export { read_file, write_file } from "./files.ts";
export { ImageReadMode, type ReadMode } from "./raster.ts";

// Tensors have their methods whichever entry point is loaded.
import "../../ops/methods.ts";
