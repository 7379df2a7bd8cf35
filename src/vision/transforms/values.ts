/** Transforms of values: dtypes and ranges. */
import { type DType, float32 } from "../../dtype.ts";
import { pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";
import * as F from "./functional.ts";
import { declareBatchForm, Transform } from "./transform.ts";

/** A uint8 image (H, W) or (H, W, C) to floats in [0, 1] of shape (C, H, W). */
export class ToTensor extends Transform {
  override forward(pic: Tensor): Tensor {
    return F.to_tensor(pic);
  }
}
declareBatchForm(ToTensor, (_, pics) => F.toUnitRange(channelsFirst(pics)));

/** (H, W) or (H, W, C) to (C, H, W), the values as they are. */
export class PILToTensor extends Transform {
  override forward(pic: Tensor): Tensor {
    return F.pil_to_tensor(pic);
  }
}
declareBatchForm(PILToTensor, (_, pics) => channelsFirst(pics));

/** (B, H, W) or (B, H, W, C) to (B, C, H, W). Other shapes are refused by the single form. */
function channelsFirst(pics: Tensor): Tensor {
  if (pics.ndim === 3) return pics.unsqueeze(1);
  return pics.ndim === 4 ? pics.permute(0, 3, 1, 2).contiguous() : F.pil_to_tensor(pics.select(0, 0));
}

/** Another dtype, with values scaled to its range. Default: float32. */
export class ConvertImageDtype extends Transform {
  readonly dtype: DType;

  constructor(dtype: DType = float32) {
    super();
    this.dtype = dtype;
  }

  override forward(image: Tensor): Tensor {
    return F.convert_image_dtype(image, this.dtype);
  }
}
declareBatchForm(ConvertImageDtype, (t, images) => F.convert_image_dtype(images, t.dtype));

/** `(x - mean) / std`, with a number for each channel of (C, H, W). */
export class Normalize extends Transform {
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly inplace: boolean;

  constructor(
    mean: number | readonly number[],
    std: number | readonly number[],
    inplace: boolean | { inplace?: boolean } = false,
  ) {
    super();
    this.mean = typeof mean === "number" ? [mean] : mean;
    this.std = typeof std === "number" ? [std] : std;
    this.inplace = typeof inplace === "boolean" ? inplace : (inplace.inplace ?? false);
  }

  override forward(image: Tensor): Tensor {
    return F.normalize(image, this.mean, this.std, this.inplace);
  }

  override extra_repr(): string {
    return `mean=${tuple(this.mean)}, std=${tuple(this.std)}`;
  }
}
declareBatchForm(Normalize, (t, images) => {
  // Stacked (H, W) images would pass for one (C, H, W): let the single form refuse them.
  if (images.ndim < 4) return t.forward(images.select(0, 0));
  return F.normalize(images, t.mean, t.std, t.inplace);
});

/** @internal A Python tuple's text. */
export function tuple(values: readonly number[]): string {
  return values.length === 1 ? `(${pythonRepr(values[0])},)` : `(${values.map((v) => pythonRepr(v)).join(", ")})`;
}
