/** `torchvision.utils`. */
import "../ops/methods.ts";
import { withGradMode } from "../autograd/mode.ts";
import { uint8 } from "../dtype.ts";
import { ValueError } from "../errors.ts";
import { bindNamed } from "../ops/define/schema.ts";
import { cat, stack } from "../ops/joining.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { write_jpeg, writeAnyPng } from "./io/encode.ts";

export interface MakeGridOptions {
  /** Images in a row. Default 8. */
  readonly nrow?: number;
  /** Pixels between images. Default 2. */
  readonly padding?: number;
  /** Shift and scale the values to [0, 1]. Default false. */
  readonly normalize?: boolean;
  /** What `normalize` takes as least and greatest value. Default: those of the images. */
  readonly value_range?: readonly [number, number] | null;
  /** Normalize each image by itself. Default false. */
  readonly scale_each?: boolean;
  readonly pad_value?: number;
}

/** Images (B, C, H, W), or a list of (C, H, W), as one image (C, rows, columns). One channel becomes three. */
export function make_grid(images: Tensor | readonly Tensor[], options: MakeGridOptions = {}): Tensor {
  const o = bindNamed(
    "make_grid(int nrow=8, int padding=2, bool normalize=False, any? value_range=None, bool scale_each=False, float pad_value=0)",
    [options],
  ) as unknown as Required<MakeGridOptions>;
  return withGradMode(false, () => makeGrid(images, o));
}

export interface SaveImageOptions extends MakeGridOptions {
  /** "png" or "jpeg". Default: as the name of the file ends. */
  readonly format?: string | null;
}

/** Writes images (C, H, W), (B, C, H, W) or a list, with values from 0 to 1, to a PNG or JPEG file; several as a grid. */
export async function save_image(
  tensor: Tensor | readonly Tensor[],
  fp: string,
  ...args: [options?: SaveImageOptions] | [format: string | null, options?: MakeGridOptions]
): Promise<void> {
  const [first, second] = args;
  const { format = null, ...grid } =
    typeof first === "string" || first === null ? { ...second, format: first } : { ...first };
  const name = (format ?? /\.([^./\\]*)$/.exec(fp)?.[1] ?? "").toLowerCase();
  const kind = name === "jpg" ? "jpeg" : name;
  if (kind !== "png" && kind !== "jpeg") {
    throw new ValueError(`unknown file extension: ${format ?? fp}: pictures are written as .png, .jpg or .jpeg`);
  }
  const image = make_grid(tensor, grid);
  // Rounded to the nearest whole number.
  const bytes = withGradMode(false, () => image.mul(255).add_(0.5).clamp_(0, 255).to(uint8));
  if (kind === "png") await writeAnyPng(bytes, fp);
  else await write_jpeg(bytes, fp);
}

function makeGrid(images: Tensor | readonly Tensor[], o: Required<MakeGridOptions>): Tensor {
  if (!is_tensor(images) && !(Array.isArray(images) && images.every(is_tensor))) {
    throw new TypeError("tensor or list of tensors expected");
  }
  let x = is_tensor(images) ? images : stack(images);
  if (x.ndim === 2) x = x.unsqueeze(0);
  if (x.ndim === 3) x = x.unsqueeze(0);
  if (x.size(1) === 1) x = cat([x, x, x], 1);
  if (o.normalize) {
    x = x.clone();
    for (const part of o.scale_each ? x.unbind(0) : [x]) {
      const [low, high] = o.value_range ?? [part.min().item() as number, part.max().item() as number];
      part.clamp_(low, high);
      part.sub_(low).div_(Math.max(high - low, 1e-5));
    }
  }
  const count = x.size(0);
  if (count === 1) return x.squeeze(0);
  const columns = Math.min(o.nrow, count);
  const rows = Math.ceil(count / columns);
  const [height, width] = [x.size(2) + o.padding, x.size(3) + o.padding];
  const grid = x.new_full([x.size(1), height * rows + o.padding, width * columns + o.padding], o.pad_value);
  x.unbind(0).forEach((image, k) => {
    const top = Math.floor(k / columns) * height + o.padding;
    const left = (k % columns) * width + o.padding;
    grid
      .narrow(1, top, height - o.padding)
      .narrow(2, left, width - o.padding)
      .copy_(image);
  });
  return grid;
}
