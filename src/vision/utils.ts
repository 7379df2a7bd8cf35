/** `torchvision.utils`. */
import "../ops/methods.ts";
import { no_grad } from "../autograd/mode.ts";
import { bindNamed } from "../ops/define/schema.ts";
import { cat, stack } from "../ops/joining.ts";
import { is_tensor, type Tensor } from "../tensor.ts";

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
  return no_grad(() => makeGrid(images, o));
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
