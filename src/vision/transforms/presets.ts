/** What prepares pictures for the pretrained networks: torchvision's `transforms._presets`. */
import { float32 } from "../../dtype.ts";
import { Module } from "../../nn/module.ts";
import { bindNamed } from "../../ops/define/schema.ts";
import { pythonFloat, pythonRepr } from "../../print/index.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";
import { center_crop } from "./functional/geometry.ts";
import { resizeByFloats } from "./functional/resize.ts";
import type { ImageLike } from "./functional/shared.ts";
import { convertByDivision, normalize, pil_to_tensor } from "./functional/values.ts";
import { checkInterpolation, type InterpolationMode, interpolationText } from "./interpolation.ts";

export interface ImageClassificationOptions {
  readonly crop_size: number;
  /** The shorter edge before the crop. Default 256. */
  readonly resize_size?: number;
  /** Default: ImageNet's, [0.485, 0.456, 0.406]. */
  readonly mean?: readonly number[];
  /** Default: ImageNet's, [0.229, 0.224, 0.225]. */
  readonly std?: readonly number[];
  /** Default "bilinear". */
  readonly interpolation?: InterpolationMode;
  /** Default true. */
  readonly antialias?: boolean | null;
}

/** A picture, or a tensor (…, C, H, W), resized, cropped in the middle, taken to [0, 1] and normalized. */
export class ImageClassification extends Module {
  readonly crop_size: readonly [number];
  readonly resize_size: readonly [number];
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly interpolation: InterpolationMode;
  readonly antialias: boolean | null;

  constructor(options: ImageClassificationOptions) {
    super();
    const o = bindNamed(
      'ImageClassification.__init__(*, int crop_size, int resize_size=256, any? mean=None, any? std=None, any? interpolation="bilinear", bool? antialias=True)',
      [options],
    ) as unknown as Required<ImageClassificationOptions>;
    this.crop_size = [o.crop_size];
    this.resize_size = [o.resize_size];
    this.mean = o.mean ?? [0.485, 0.456, 0.406];
    this.std = o.std ?? [0.229, 0.224, 0.225];
    this.interpolation = checkInterpolation(o.interpolation);
    this.antialias = o.antialias;
  }

  override forward(img: ImageLike): Tensor {
    const { interpolation, antialias } = this;
    const cropped = center_crop(resizeByFloats(img, this.resize_size, { interpolation, antialias }), this.crop_size);
    const x = is_tensor(cropped) ? cropped : pil_to_tensor(cropped);
    return normalize(convertByDivision(x, float32), this.mean, this.std);
  }

  override toString(): string {
    const { crop_size, resize_size } = this;
    const lines = [
      `crop_size=[${crop_size[0]}]`,
      `resize_size=[${resize_size[0]}]`,
      `mean=${floats(this.mean)}`,
      `std=${floats(this.std)}`,
      `interpolation=${interpolationText(this.interpolation)}`,
    ];
    return `${this.className()}(${lines.map((line) => `\n    ${line}`).join("")}\n)`;
  }

  /** What it does, in words. */
  describe(): string {
    return (
      "Accepts `PIL.Image`, batched `(B, C, H, W)` and single `(C, H, W)` image `torch.Tensor` objects. " +
      `The images are resized to resize_size=[${this.resize_size[0]}] using interpolation=${interpolationText(this.interpolation)}, ` +
      `followed by a central crop of crop_size=[${this.crop_size[0]}]. Finally the values are first rescaled to ` +
      `[0.0, 1.0] and then normalized using mean=${floats(this.mean)} and std=${floats(this.std)}.`
    );
  }
}

function floats(values: readonly number[]): string {
  return `[${values.map((v) => pythonRepr(pythonFloat(v))).join(", ")}]`;
}
