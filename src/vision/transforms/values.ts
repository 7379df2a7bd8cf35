/** Transforms of values: dtypes, ranges, pictures to tensors and back. */
import { DType, float32 } from "../../dtype.ts";
import { ValueError } from "../../errors.ts";
import { bindNamed } from "../../ops/define/schema.ts";
import { describe } from "../../shape.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";
import { Image, type ImageMode } from "../image.ts";
import type { ImageLike } from "./functional/shared.ts";
import {
  normalize,
  pil_to_tensor,
  to_dtype,
  to_image,
  to_pil_image,
  to_tensor,
  toUnitRange,
} from "./functional/values.ts";
import { declareBatchForm, Transform } from "./transform.ts";

/** A picture, or an array (H, W) or (H, W, C) of bytes, to floats in [0, 1] of shape (C, H, W). */
export interface ToTensor {
  (pic: ImageLike): Tensor;
  <R extends readonly unknown[]>(pic: ImageLike, ...rest: R): [Tensor, ...R];
}
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: modules are functions, which the interface types.
export class ToTensor extends Transform {
  override forward(...inputs: unknown[]): Tensor {
    return super.forward(...inputs) as Tensor;
  }

  override transform(pic: ImageLike): Tensor {
    return to_tensor(pic);
  }
}
declareBatchForm(ToTensor, "pictures", "tensors", (_, images) => toUnitRange(images));

/** A picture, or an array (H, W) or (H, W, C), to a tensor (C, H, W), the values as they are. */
export interface PILToTensor {
  (pic: ImageLike): Tensor;
  <R extends readonly unknown[]>(pic: ImageLike, ...rest: R): [Tensor, ...R];
}
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: modules are functions, which the interface types.
export class PILToTensor extends Transform {
  override forward(...inputs: unknown[]): Tensor {
    return super.forward(...inputs) as Tensor;
  }

  override transform(pic: ImageLike): Tensor {
    return pil_to_tensor(pic);
  }
}
declareBatchForm(PILToTensor, "pictures", "tensors", (_, images) => images);

/** A picture to a tensor (C, H, W), the values as they are; tensors stay, (H, W) becomes (1, H, W). */
export interface ToImage {
  (pic: ImageLike): Tensor;
  <R extends readonly unknown[]>(pic: ImageLike, ...rest: R): [Tensor, ...R];
}
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: modules are functions, which the interface types.
export class ToImage extends Transform {
  override forward(...inputs: unknown[]): Tensor {
    return super.forward(...inputs) as Tensor;
  }

  override transform(pic: ImageLike): Tensor {
    return to_image(pic);
  }
}
declareBatchForm(ToImage, "both", "tensors", (_, images) => images);

/** A tensor (C, H, W) to a picture; see `functional.to_pil_image`. Pictures pass. */
export interface ToPILImage {
  (pic: ImageLike): Image;
  <R extends readonly unknown[]>(pic: ImageLike, ...rest: R): [Image, ...R];
}
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: modules are functions, which the interface types.
export class ToPILImage extends Transform {
  static override readonly shown = { mode: "text" } as const;
  readonly mode: ImageMode | null;

  constructor(mode?: ImageMode | null | { mode?: ImageMode | null }) {
    super();
    this.mode = bindNamed("ToPILImage.__init__(str? mode=None)", [mode]).mode as ImageMode | null;
  }

  override transforms_type(value: unknown): boolean {
    return is_tensor(value);
  }

  override transform(pic: Tensor): Image {
    return to_pil_image(pic, this.mode);
  }
}

/** Another dtype; with `scale` the values go from the range of one to that of the other. Pictures pass. */
export class ToDtype extends Transform {
  static override readonly shown = { scale: "any" } as const;
  readonly dtype: DType;
  readonly scale: boolean;

  constructor(dtype: DType, scale?: boolean | { scale?: boolean }) {
    super();
    if (!(dtype instanceof DType)) {
      throw new ValueError(`dtype must be a dict or a torch.dtype, got ${describe(dtype)} instead`);
    }
    this.dtype = dtype;
    this.scale = bindNamed("ToDtype.__init__(bool scale=False)", [scale]).scale as boolean;
  }

  override transforms_type(value: unknown): boolean {
    return is_tensor(value);
  }

  override transform(image: Tensor): Tensor {
    return to_dtype(image, this.dtype, this.scale);
  }
}
declareBatchForm(ToDtype, "tensors", "same", (t, images) => t.transform(images));

/** Another dtype, with values scaled to its range. Default: float32. Pictures pass. */
export class ConvertImageDtype extends Transform {
  readonly dtype: DType;

  constructor(dtype: DType = float32) {
    super();
    this.dtype = dtype;
  }

  override transforms_type(value: unknown): boolean {
    return is_tensor(value);
  }

  override transform(image: Tensor): Tensor {
    return to_dtype(image, this.dtype, true);
  }
}
declareBatchForm(ConvertImageDtype, "tensors", "same", (t, images) => t.transform(images));

/** `(x - mean) / std`, with a number for each channel of (…, C, H, W). */
export class Normalize extends Transform {
  static override readonly shown = { mean: "[float]", std: "[float]", inplace: "any" } as const;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly inplace: boolean;

  constructor(
    mean: number | readonly number[],
    std: number | readonly number[],
    inplace?: boolean | { inplace?: boolean },
  ) {
    super();
    this.mean = typeof mean === "number" ? [mean] : [...mean];
    this.std = typeof std === "number" ? [std] : [...std];
    this.inplace = bindNamed("Normalize.__init__(bool inplace=False)", [inplace]).inplace as boolean;
  }

  override check_inputs(flat: readonly unknown[]): void {
    if (flat.some((leaf) => leaf instanceof Image)) {
      throw new TypeError(`${this.className()}() does not support PIL images.`);
    }
  }

  override transform(image: Tensor): Tensor {
    return normalize(image, this.mean, this.std, this.inplace);
  }
}
declareBatchForm(Normalize, "tensors", "same", (t, images) => t.transform(images));

/** `(x − mean_vector) · transformation_matrix`, of all values of an image as one vector. */
export class LinearTransformation extends Transform {
  readonly transformation_matrix: Tensor;
  readonly mean_vector: Tensor;

  constructor(transformation_matrix: Tensor, mean_vector: Tensor) {
    super();
    const [rows, columns] = transformation_matrix.shape;
    const shape = `(${rows}, ${columns})`;
    if (rows !== columns) {
      throw new ValueError(`transformation_matrix should be square. Got ${shape} rectangular matrix.`);
    }
    if (mean_vector.size(0) !== rows) {
      throw new ValueError(
        `mean_vector should have the same length ${mean_vector.size(0)} as any one of the dimensions of the transformation_matrix [${shape}]`,
      );
    }
    if (transformation_matrix.dtype !== mean_vector.dtype) {
      throw new ValueError(
        `Input tensors should have the same dtype. Got ${transformation_matrix.dtype} and ${mean_vector.dtype}`,
      );
    }
    this.transformation_matrix = transformation_matrix;
    this.mean_vector = mean_vector;
  }

  override check_inputs(flat: readonly unknown[]): void {
    if (flat.some((leaf) => leaf instanceof Image)) {
      throw new TypeError(`${this.className()}() does not support PIL images.`);
    }
  }

  override transform(image: Tensor): Tensor {
    const [channels, height, width] = image.shape.slice(-3);
    const count = channels * height * width;
    const size = this.transformation_matrix.size(0);
    if (count !== size) {
      throw new ValueError(
        `Input tensor and transformation matrix have incompatible shape.[${channels} x ${height} x ${width}] != ${size}`,
      );
    }
    const flat = image.reshape([-1, count]).sub(this.mean_vector);
    return flat.mm(this.transformation_matrix.to(flat.dtype)).reshape([...image.shape]);
  }
}
