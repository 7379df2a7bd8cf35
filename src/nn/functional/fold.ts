/** Sliding blocks of images. */
import { RuntimeError } from "../../errors.ts";
import { bind } from "../../ops/define/schema.ts";
import { foldBlocks, unfoldBlocks } from "../../ops/fold.ts";
import type { Tensor } from "../../tensor.ts";

type Pairs = number | readonly number[];

/** Keyword arguments of `unfold`. */
export interface UnfoldOptions {
  readonly kernel_size?: Pairs;
  /** Distance between the elements of a block. Default 1. */
  readonly dilation?: Pairs;
  /** Zeros added to both sides. Default 0. */
  readonly padding?: Pairs;
  /** Distance between blocks. Default 1. */
  readonly stride?: Pairs;
}

/** Keyword arguments of `fold`. */
export interface FoldOptions extends UnfoldOptions {
  /** Height and width of the result. */
  readonly output_size?: Pairs;
}

const PARAMETERS = "int[] kernel_size, int[] dilation=1, int[] padding=0, int[] stride=1";

function pair(name: string, list: readonly number[] | number): number[] {
  const values = typeof list === "number" ? [list] : list;
  if (values.length === 1) return [values[0], values[0]];
  if (values.length !== 2) throw new RuntimeError(`It is expected ${name} equals to 2, but got size ${values.length}`);
  return [...values];
}

/** The blocks of `input` (N, C, H, W) or (C, H, W) as columns: (N, C · kernel elements, blocks). */
export function unfold(
  input: Tensor,
  kernel_size: Pairs | UnfoldOptions,
  dilation?: Pairs | UnfoldOptions,
  padding?: Pairs | UnfoldOptions,
  stride?: Pairs | UnfoldOptions,
): Tensor {
  const [x, kernel, spread, pad, step] = bind(`unfold(Tensor input, ${PARAMETERS})`, [
    input,
    kernel_size,
    dilation,
    padding,
    stride,
  ]) as [Tensor, number[], number[], number[], number[]];
  return unfoldBlocks(x, {
    kernel: pair("kernel_size", kernel),
    dilation: pair("dilation", spread),
    padding: pair("padding", pad),
    stride: pair("stride", step),
  });
}

/** The reverse of `unfold`, where elements of several blocks are added up: (N, C · kernel elements, blocks) gives (N, C, H, W). */
export function fold(
  input: Tensor,
  output_size: Pairs | FoldOptions,
  kernel_size?: Pairs | FoldOptions,
  dilation?: Pairs | FoldOptions,
  padding?: Pairs | FoldOptions,
  stride?: Pairs | FoldOptions,
): Tensor {
  const [x, image, kernel, spread, pad, step] = bind(`fold(Tensor input, int[] output_size, ${PARAMETERS})`, [
    input,
    output_size,
    kernel_size,
    dilation,
    padding,
    stride,
  ]) as [Tensor, number[], number[], number[], number[], number[]];
  return foldBlocks(x, {
    image: pair("output_size", image),
    kernel: pair("kernel_size", kernel),
    dilation: pair("dilation", spread),
    padding: pair("padding", pad),
    stride: pair("stride", step),
  });
}
