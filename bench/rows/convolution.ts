/** Convolutions without bias, as in residual networks, and the two of LeNet. `64@56²` is 64 channels of 56 × 56. */
import { conv2d } from "../../src/nn/functional.ts";
import { type Row, uniform, withBackward } from "../row.ts";

interface Geometry {
  readonly batch: number;
  readonly channels: number;
  /** Height and width. */
  readonly size: number;
  /** Channels of the result. Default: as many as the input has. */
  readonly outputs?: number;
  /** Height and width of the kernel. Default 3. */
  readonly kernel?: number;
  readonly stride?: number;
  /** Default: that which keeps the size at stride 1. */
  readonly padding?: number;
  readonly groups?: number;
  readonly bar?: number;
}

function convolution(title: string, geometry: Geometry): Row[] {
  const { batch, channels, size, outputs = channels, kernel = 3, stride = 1, groups = 1, bar = 1 } = geometry;
  const { padding = kernel >> 1 } = geometry;
  const result = Math.floor((size + 2 * padding - kernel) / stride) + 1;
  return withBackward({
    name: `conv ${title}, batch ${batch}`,
    inputs: {
      x: uniform([batch, channels, size, size]),
      w: uniform([outputs, channels / groups, kernel, kernel], 1 / kernel ** 2),
    },
    leaves: ["x", "w"],
    output: [batch, outputs, result, result],
    kindling: ({ x, w }) => conv2d(x, w, null, stride, padding, 1, groups),
    pytorch: `F.conv2d(x, w, None, ${stride}, ${padding}, 1, ${groups})`,
    tfjs: (tf, { x, w }) => {
      const convolve = groups === 1 ? tf.conv2d : tf.depthwiseConv2d;
      return convolve(x, w, stride, padding, "NHWC", 1, "floor");
    },
    jax: ({ lax }, { x, w }) => {
      const sides = [padding, padding];
      return lax.convGeneralDilated(x, w, [stride, stride], [sides, sides], { featureGroupCount: groups });
    },
    onnx: (graph, { x, w }) =>
      graph.apply("Conv", [x, w], {
        strides: [stride, stride],
        pads: [padding, padding, padding, padding],
        group: groups,
      }),
    constants: ["w"],
    layouts: { inputs: { x: "images", w: groups === 1 ? "filters" : "depthwise filters" }, outputs: ["images"] },
    bar,
    backwardBar: 1,
    narrowBar: 0.5,
  });
}

export const convolutions: readonly Row[] = [
  ...convolution("3×3, 64@56²", { batch: 64, channels: 64, size: 56, bar: 1.2 }),
  ...convolution("3×3, 64@56²", { batch: 1, channels: 64, size: 56, bar: 1.2 }),
  ...convolution("3×3, 128@28²", { batch: 16, channels: 128, size: 28, bar: 1.2 }),
  ...convolution("3×3, 256@14²", { batch: 16, channels: 256, size: 14, bar: 1.2 }),
  ...convolution("3×3, 512@7²", { batch: 16, channels: 512, size: 7, bar: 1.2 }),
  ...convolution("7×7 stride 2, 3→64@224²", { batch: 8, channels: 3, size: 224, outputs: 64, kernel: 7, stride: 2 }),
  ...convolution("3×3 stride 2, 64→128@56²", { batch: 16, channels: 64, size: 56, outputs: 128, stride: 2 }),
  ...convolution("1×1, 64→256@56²", { batch: 16, channels: 64, size: 56, outputs: 256, kernel: 1 }),
  ...convolution("1×1 stride 2, 64→128@56²", { batch: 16, channels: 64, size: 56, outputs: 128, kernel: 1, stride: 2 }),
  ...convolution("depthwise 3×3, 128@56²", { batch: 16, channels: 128, size: 56, groups: 128 }),
  ...convolution("5×5, 1→6@32²", { batch: 64, channels: 1, size: 32, outputs: 6, kernel: 5, padding: 0 }),
  ...convolution("5×5, 6→16@14²", { batch: 64, channels: 6, size: 14, outputs: 16, kernel: 5, padding: 0 }),
];
