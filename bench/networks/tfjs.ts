/** The operations of networks and their training steps in TensorFlow.js. Images have their channels last. */
import type * as tf from "@tensorflow/tfjs";
import type { Named, TfTensor } from "../row.ts";
import type { Operations, TransformerOperations } from "./functional.ts";

type Library = typeof tf;

/** Weights in the order that TensorFlow.js wants: of convolutions channels last, of linear layers as PyTorch. */
export function tfWeights(library: Library, parameters: Named<TfTensor>): Record<string, TfTensor> {
  const entries = Object.entries(parameters).map(([name, tensor]) => [
    name,
    tensor.rank === 4 ? library.transpose(tensor, [2, 3, 1, 0]) : tensor,
  ]);
  return Object.fromEntries(entries);
}

export function tfOperations(
  library: Library,
  weights: Named<TfTensor>,
): Operations<TfTensor> & TransformerOperations<TfTensor> {
  const add = (x: TfTensor, bias: TfTensor | undefined) => (bias === undefined ? x : library.add(x, bias));
  const multiply = (x: TfTensor, w: TfTensor) => {
    if (x.rank === 2) return library.matMul(x, w, false, true);
    const flat = library.reshape(x, [-1, x.shape.at(-1)]);
    return library.reshape(library.matMul(flat, w, false, true), [...x.shape.slice(0, -1), w.shape[0]]);
  };
  return {
    convolution: (x, name, stride, padding) =>
      add(library.conv2d(x, weights[`${name}.weight`], stride, padding, "NHWC", 1, "floor"), weights[`${name}.bias`]),
    batchNorm: (x, name) =>
      library.batchNorm(
        x,
        weights[`${name}.running_mean`],
        weights[`${name}.running_var`],
        weights[`${name}.bias`],
        weights[`${name}.weight`],
        1e-5,
      ),
    maxPool: (x, size, stride, padding) => library.maxPool(x, size, stride, padding, "floor"),
    globalAverage: (x) => library.mean(x, [1, 2]),
    flatten: (x) => library.reshape(library.transpose(x, [0, 3, 1, 2]), [x.shape[0], -1]),
    relu: (x) => library.relu(x),
    linear: (x, name) => add(multiply(x, weights[`${name}.weight`]), weights[`${name}.bias`]),
    add: (a, b) => library.add(a, b),
    again: (x) => x,
    // As a product, because the gradient of `gather` needs a kernel that the backend lacks.
    embedding: (tokens, name) => {
      const table = weights[`${name}.weight`];
      const chosen = library.oneHot(library.reshape(tokens, [-1]), table.shape[0]);
      return library.reshape(library.matMul(chosen, table), [...tokens.shape, table.shape[1]]);
    },
    table: (name) => weights[`${name}.weight`],
    layerNorm: (x, name) => {
      const { mean, variance } = library.moments(x, -1, true);
      const normalized = library.mul(library.sub(x, mean), library.rsqrt(library.add(variance, 1e-5)));
      return library.add(library.mul(normalized, weights[`${name}.weight`]), weights[`${name}.bias`]);
    },
    gelu: (x) => library.mul(library.mul(x, 0.5), library.add(library.erf(library.mul(x, Math.SQRT1_2)), 1)),
    attention: (x, heads) => {
      const [batch, length, width] = [x.shape[0], x.shape[1], x.shape[2] / 3];
      const split = library.split(x, 3, 2) as readonly TfTensor[];
      const [q, k, v] = split.map((part) =>
        library.transpose(library.reshape(part, [batch, length, heads, width / heads]), [0, 2, 1, 3]),
      );
      const scores = library.mul(library.matMul(q, k, false, true), Math.sqrt(heads / width));
      // -1e9 where a key lies after the query.
      const place = library.range(0, length);
      const later = library.greater(library.reshape(place, [1, length]), library.reshape(place, [length, 1]));
      const masked = library.add(scores, library.mul(library.cast(later, "float32"), -1e9));
      const attended = library.matMul(library.softmax(masked), v);
      return library.reshape(library.transpose(attended, [0, 2, 1, 3]), [batch, length, width]);
    },
  };
}

/** Mean cross entropy of logits `[…, classes]`. */
function crossEntropy(library: Library, logits: TfTensor, target: TfTensor): TfTensor {
  const classes = logits.shape.at(-1);
  const probabilities = library.logSoftmax(library.reshape(logits, [-1, classes]));
  const wanted = library.oneHot(library.reshape(target, [-1]), classes);
  return library.neg(library.mean(library.sum(library.mul(probabilities, wanted), -1)));
}

export type TfOptimizer = (
  library: Library,
  weights: readonly TfTensor[],
) => { minimize(loss: () => TfTensor): TfTensor };

export const tfSgd: TfOptimizer = (library, weights) => {
  const optimizer = library.train.momentum(1e-3, 0.9);
  return { minimize: (loss) => optimizer.minimize(loss, true, weights) };
};

/** With `decay` it is AdamW. */
export function tfAdam(decay: number): TfOptimizer {
  return (library, weights) => {
    const optimizer = library.train.adam(1e-3, 0.9, 0.999, 1e-8);
    return {
      minimize(loss) {
        // The gradients are of the weights before they decay.
        const { value, grads } = optimizer.computeGradients(loss, weights);
        if (decay !== 0) for (const weight of weights) weight.assign(library.mul(weight, 1 - 1e-3 * decay));
        optimizer.applyGradients(grads);
        return value;
      },
    };
  };
}

export function tfTrainingStep(
  library: Library,
  parameters: Named<TfTensor>,
  forward: (operations: Operations<TfTensor> & TransformerOperations<TfTensor>) => TfTensor,
  target: TfTensor,
  optimizer: TfOptimizer,
): () => TfTensor {
  const weights = tfWeights(library, parameters);
  for (const [name, tensor] of Object.entries(weights)) weights[name] = library.variable(tensor);
  const { minimize } = optimizer(library, Object.values(weights));
  const operations = tfOperations(library, weights);
  return () => minimize(() => crossEntropy(library, forward(operations), target));
}
