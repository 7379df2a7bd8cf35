/** Blur, noise, and erased parts. */
import { float32, int16, uint8 } from "../../../dtype.ts";
import { ValueError } from "../../../errors.ts";
import { conv2d } from "../../../ops/convolution.ts";
import { bindNamed } from "../../../ops/define/schema.ts";
import { padTensor } from "../../../ops/padding.ts";
import { randn_like } from "../../../ops/random.ts";
import { linspace } from "../../../ops/ranges.ts";
import { pythonRepr } from "../../../print/index.ts";
import type { Tensor } from "../../../tensor.ts";
import type { Image } from "../../image.ts";
import { dispatchImage, type ImageLike, withBatch } from "./shared.ts";
import { pil_to_tensor, to_pil_image } from "./values.ts";

/** Does to a picture what `f` does to a tensor. */
function byTensor(f: (x: Tensor) => Tensor): (image: Image) => Image {
  return (image) => to_pil_image(f(pil_to_tensor(image)), image.channels === 1 ? null : image.mode);
}

/** Blurred by a Gaussian: `kernel_size` is one odd number or [width, height], and so is `sigma`, in pixels. */
export function gaussian_blur<T extends ImageLike>(
  image: T,
  kernel_size: number | readonly number[],
  sigma: number | readonly number[] | null | { sigma?: number | readonly number[] | null } = null,
): T {
  const given = (
    bindNamed("gaussian_blur(any kernel_size, any? sigma=None)", [kernel_size, sigma]) as { sigma: unknown }
  ).sigma as number | readonly number[] | null;
  const sizes = typeof kernel_size === "number" ? [kernel_size, kernel_size] : [...kernel_size];
  if (sizes.length !== 2) {
    throw new ValueError(`If kernel_size is a sequence its length should be 2. Got ${sizes.length}`);
  }
  if (sizes.some((n) => n % 2 !== 1 || n < 0)) {
    throw new ValueError(`kernel_size should have odd and positive integers. Got [${sizes.join(", ")}]`);
  }
  const list = given === null ? sizes.map((n) => n * 0.15 + 0.35) : typeof given === "number" ? [given] : [...given];
  if (list.length !== 1 && list.length !== 2) {
    throw new ValueError(`If sigma is a sequence, its length should be 2. Got ${list.length}`);
  }
  const sigmas = [list[0], list[list.length - 1]];
  if (sigmas.some((s) => !(s > 0))) {
    throw new ValueError(`sigma should have positive values. Got [${sigmas.map((s) => pythonRepr(s)).join(", ")}]`);
  }
  const forTensor = (x: Tensor): Tensor => (x.numel() === 0 ? x : blurTensor(x, sizes, sigmas));
  return dispatchImage("gaussian_blur", image, byTensor(forTensor), forTensor);
}

function blurTensor(image: Tensor, [kw, kh]: readonly number[], [sigmaX, sigmaY]: readonly number[]): Tensor {
  const isFloat = image.is_floating_point();
  const dtype = isFloat ? image.dtype : float32;
  const weights = (size: number, sigma: number): Tensor => {
    const limit = (size - 1) / (2 * Math.sqrt(2));
    return linspace(-limit, limit, size, { dtype }).div(sigma).pow(2).neg().softmax(0);
  };
  const kernel = weights(kh, sigmaY).unsqueeze(-1).mul(weights(kw, sigmaX)).view(1, 1, kh, kw);
  return withBatch(image, (x) => {
    const padded = padTensor(x.to(dtype), [kw >> 1, kw >> 1, kh >> 1, kh >> 1], "reflect", null);
    const [height, width] = padded.shape.slice(-2);
    // Every channel by itself: all planes are images of one channel.
    const out = conv2d(padded.reshape([-1, 1, height, width]), kernel).reshape(x.shape);
    return isFloat ? out : out.round_().to(image.dtype);
  });
}

export interface GaussianNoiseOptions {
  /** In units of the range of values. Default 0. */
  readonly mean?: number;
  /** Default 0.1. */
  readonly sigma?: number;
  /** Cut off at the range of values. Default true. */
  readonly clip?: boolean;
}

/** With normal noise added. */
export function gaussian_noise(
  image: Tensor,
  ...rest: [
    mean?: number | GaussianNoiseOptions,
    sigma?: number | GaussianNoiseOptions,
    clip?: boolean | GaussianNoiseOptions,
  ]
): Tensor {
  const o = bindNamed(
    "gaussian_noise(float mean=0.0, float sigma=0.1, bool clip=True)",
    rest,
  ) as unknown as Required<GaussianNoiseOptions>;
  return dispatchImage(
    "gaussian_noise",
    image as ImageLike,
    () => {
      throw new ValueError("Gaussian Noise is not implemented for PIL images.");
    },
    (x) => {
      if (o.sigma < 0) throw new ValueError(`sigma shouldn't be negative. Got ${pythonRepr(o.sigma)}`);
      if (x.is_floating_point()) {
        const out = x.add(randn_like(x).mul(o.sigma).add(o.mean));
        return o.clip ? out.clamp(0, 1) : out;
      }
      if (x.dtype !== uint8) {
        throw new ValueError(`Input tensor is expected to be in uint8 or float dtype, got dtype=${x.dtype}`);
      }
      const noise = randn_like(x, { dtype: float32 })
        .mul(o.sigma * 255)
        .add(o.mean * 255)
        .to(int16);
      const out = x.add(noise);
      return (o.clip ? out.clamp(0, 255) : out).to(uint8);
    },
  ) as Tensor;
}

/** With `v` in the part from row `i` and column `j`, of height `h` and width `w`. */
export function erase<T extends ImageLike>(
  image: T,
  i: number,
  j: number,
  h: number,
  w: number,
  v: Tensor,
  inplace: boolean | { inplace?: boolean } = false,
): T {
  const isInPlace = typeof inplace === "boolean" ? inplace : (inplace.inplace ?? false);
  const eraseTensor = (x: Tensor): Tensor => {
    const out = isInPlace ? x : x.clone();
    out
      .narrow(-2, i, Math.min(h, out.size(-2) - i))
      .narrow(-1, j, Math.min(w, out.size(-1) - j))
      .copy_(v);
    return out;
  };
  return dispatchImage("erase", image, byTensor(eraseTensor), eraseTensor);
}
