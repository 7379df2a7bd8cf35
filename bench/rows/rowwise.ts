/** Softmax, norms and pooling, each also with its gradients. */
import * as torch from "../../src/index.ts";
import { cross_entropy, max_pool2d } from "../../src/nn/functional.ts";
import { type Differentiable, labels, type Row, uniform, withBackward } from "../row.ts";

function softmax(name: "softmax" | "log_softmax", size: number, dim: number, bar?: number): Differentiable {
  const op = name === "softmax" ? torch.softmax : torch.log_softmax;
  return {
    name: `${name}, ${size}², dim ${dim}`,
    inputs: { x: uniform([size, size], 4) },
    leaves: ["x"],
    output: [size, size],
    kindling: ({ x }) => op(x, dim),
    pytorch: `torch.${name}(x, ${dim})`,
    tfjs: (tf, { x }) => {
      // TensorFlow.js has it along the last dimension only.
      const op = name === "softmax" ? tf.softmax : tf.logSoftmax;
      return dim === 0 ? tf.transpose(op(tf.transpose(x))) : op(x);
    },
    jax: ({ nn }, { x }) => (name === "softmax" ? nn.softmax(x, dim) : nn.logSoftmax(x, dim)),
    onnx: (graph, { x }) => graph.apply(name === "softmax" ? "Softmax" : "LogSoftmax", [x], { axis: dim }),
    bar,
  };
}

function layerNorm(size: number, dim: -1 | 0, bar?: number): Differentiable {
  const normalized = dim === 0 ? "x.t()" : "x";
  return {
    name: `layer_norm, ${size}², dim ${dim}`,
    inputs: { x: uniform([size, size]), w: uniform([size]), b: uniform([size]) },
    leaves: ["x", "w", "b"],
    output: [size, size],
    kindling: ({ x, w, b }) => torch.layer_norm(dim === 0 ? x.t() : x, [size], w, b),
    pytorch: `F.layer_norm(${normalized}, [${size}], w, b)`,
    tfjs: (tf, { x, w, b }) => {
      const rows = dim === 0 ? tf.transpose(x) : x;
      const { mean, variance } = tf.moments(rows, -1, true);
      return tf.add(tf.mul(tf.mul(tf.sub(rows, mean), tf.rsqrt(tf.add(variance, 1e-5))), w), b);
    },
    jax: ({ nn, numpy }, { x, w, b }) =>
      nn
        .standardize(dim === 0 ? numpy.matrixTranspose(x) : x, -1, { epsilon: 1e-5 })
        .mul(w)
        .add(b),
    onnx: (graph, { x, w, b }) =>
      graph.apply("LayerNormalization", [dim === 0 ? graph.apply("Transpose", [x]) : x, w, b]),
    bar,
  };
}

/** In training, where the running statistics change with every call; they start as zeros and ones made here. */
function batchNorm(batch: number, channels: number, size: number, bar?: number): Differentiable {
  const shape = [batch, channels, size, size];
  return {
    name: `batch_norm in training, ${batch}×${channels}×${size}²`,
    inputs: {
      x: uniform(shape),
      w: uniform([channels]),
      b: uniform([channels]),
      mean: uniform([channels]),
      variance: uniform([channels]),
    },
    leaves: ["x", "w", "b"],
    output: shape,
    kindling: ({ x, w, b, mean, variance }) => torch.batch_norm(x, w, b, mean, variance, true, 0.1, 1e-5),
    pytorch: "F.batch_norm(x, mean, variance, w, b, True, 0.1, 1e-5)",
    // The other libraries normalize, and leave the running statistics out.
    tfjs: (tf, { x, w, b }) => {
      const statistics = tf.moments(x, [0, 1, 2]);
      return tf.batchNorm(x, statistics.mean, statistics.variance, b, w, 1e-5);
    },
    jax: ({ nn }, { x, w, b }) => {
      const shape = [1, channels, 1, 1];
      return nn.standardize(x, [0, 2, 3], { epsilon: 1e-5 }).mul(w.reshape(shape)).add(b.reshape(shape));
    },
    layouts: { inputs: { x: "images" }, outputs: ["images"] },
    bar,
  };
}

function maxPool(batch: number, channels: number, size: number, bar?: number): Differentiable {
  return {
    name: `max_pool2d 2×2, ${batch}×${channels}×${size}²`,
    inputs: { x: uniform([batch, channels, size, size]) },
    leaves: ["x"],
    output: [batch, channels, size / 2, size / 2],
    kindling: ({ x }) => max_pool2d(x, 2),
    pytorch: "F.max_pool2d(x, 2)",
    tfjs: (tf, { x }) => tf.maxPool(x, 2, 2, "valid"),
    // Windows that do not overlap are dimensions of their own.
    jax: ({ numpy }, { x }) => numpy.max(x.reshape([batch, channels, size / 2, 2, size / 2, 2]), [3, 5]),
    onnx: (graph, { x }) => graph.apply("MaxPool", [x], { kernel_shape: [2, 2], strides: [2, 2] }),
    layouts: { inputs: { x: "images" }, outputs: ["images"] },
    bar,
  };
}

const crossEntropy: Differentiable = {
  name: "cross_entropy 64×10",
  inputs: { x: uniform([64, 10], 4), target: labels([64], 10) },
  leaves: ["x"],
  output: [],
  kindling: ({ x, target }) => cross_entropy(x, target),
  pytorch: "F.cross_entropy(x, target)",
  tfjs: (tf, { x, target }) => tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(x), tf.oneHot(target, 10)), -1))),
  jax: ({ nn, numpy }, { x, target }) =>
    numpy.mean(numpy.sum(nn.logSoftmax(x, -1).mul(nn.oneHot(target, 10)), -1)).mul(-1),
};

const BAR = 1.1;

export const rowwise: readonly Row[] = [
  softmax("softmax", 4096, -1, BAR),
  softmax("softmax", 4096, 0, BAR),
  softmax("log_softmax", 4096, -1, BAR),
  softmax("log_softmax", 4096, 0, BAR),
  layerNorm(4096, -1, BAR),
  layerNorm(4096, 0, BAR),
  batchNorm(64, 64, 56, BAR),
  maxPool(64, 64, 56, BAR),
  softmax("softmax", 512, -1),
  layerNorm(512, -1),
  batchNorm(64, 6, 28),
  maxPool(64, 6, 28),
  crossEntropy,
].flatMap(withBackward);
