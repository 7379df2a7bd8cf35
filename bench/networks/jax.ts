/** The operations of networks and their training steps in jax-js. */
import type * as jax from "@jax-js/jax";
import type { JaxArray, Named } from "../row.ts";
import type { Operations, TransformerOperations } from "./functional.ts";

type Library = typeof jax;

/** In training batch norm takes the statistics of the batch; running ones are not kept. Each use of a weight is one reference. */
export function jaxOperations(
  { lax, nn, numpy }: Library,
  weights: Named<JaxArray>,
  training: boolean,
): Operations<JaxArray> & TransformerOperations<JaxArray> {
  const weight = (name: string) => weights[`${name}.weight`].ref;
  const bias = (name: string) => weights[`${name}.bias`]?.ref;
  const plus = (x: JaxArray, b: JaxArray | undefined, shape: readonly number[]) =>
    b === undefined ? x : x.add(b.reshape(shape));
  const channels = [1, -1, 1, 1];
  return {
    convolution: (x, name, stride, padding) => {
      const sides = [padding, padding];
      return plus(lax.convGeneralDilated(x, weight(name), [stride, stride], [sides, sides]), bias(name), channels);
    },
    batchNorm: (x, name) => {
      const scale = weight(name).reshape(channels);
      const shift = bias(name).reshape(channels);
      if (training) return nn.standardize(x, [0, 2, 3], { epsilon: 1e-5 }).mul(scale).add(shift);
      const mean = weights[`${name}.running_mean`].ref.reshape(channels);
      const variance = weights[`${name}.running_var`].ref.reshape(channels);
      return x
        .sub(mean)
        .mul(scale.div(numpy.sqrt(variance.add(1e-5))))
        .add(shift);
    },
    maxPool: (x, size, stride, padding) => {
      const [batch, count, height, width] = x.shape;
      if (size === stride && padding === 0)
        return numpy.max(x.reshape([batch, count, height / size, size, width / size, size]), [3, 5]);
      const sides = [padding, padding];
      const padded = numpy.pad(x, [[0, 0], [0, 0], sides, sides], { constantValues: Number.NEGATIVE_INFINITY });
      return lax.reduceWindow(padded, (window: JaxArray) => numpy.max(window), [size, size], [stride, stride]);
    },
    globalAverage: (x) => numpy.mean(x, [2, 3]),
    flatten: (x) => x.reshape([x.shape[0], -1]),
    relu: (x) => nn.relu(x),
    linear: (x, name) => plus(numpy.matmul(x, numpy.matrixTranspose(weight(name))), bias(name), [-1]),
    add: (a, b) => a.add(b),
    again: (x) => x.ref,
    embedding: (tokens, name) => numpy.matmul(nn.oneHot(tokens, weights[`${name}.weight`].shape[0]), weight(name)),
    table: weight,
    layerNorm: (x, name) => nn.standardize(x, -1, { epsilon: 1e-5 }).mul(weight(name)).add(bias(name)),
    gelu: (x) => nn.gelu(x, { approximate: false }),
    attention: (x, heads) => {
      const [batch, length, width] = [x.shape[0], x.shape[1], x.shape[2] / 3];
      const parts = numpy.split(x, 3, 2) as readonly JaxArray[];
      const [q, k, v] = parts.map((part) => part.reshape([batch, length, heads, width / heads]));
      return nn.dotProductAttention(q, k, v, { isCausal: true }).reshape([batch, length, width]);
    },
  };
}

/** Mean cross entropy of logits `[…, classes]`. */
function crossEntropy({ nn, numpy }: Library, logits: JaxArray, target: JaxArray): JaxArray {
  const classes = logits.shape.at(-1);
  const wanted = nn.oneHot(target.reshape([-1]), classes);
  const probabilities = nn.logSoftmax(logits.reshape([-1, classes]), -1);
  return numpy.mean(numpy.sum(probabilities.mul(wanted), -1)).mul(-1);
}

/** How one weight follows from its gradient: with the state that it keeps, zeros at first, and numbers that depend on the step. */
export interface JaxOptimizer {
  readonly state: readonly string[];
  /** The numbers of step 1, 2, … */
  scalars(step: number): Record<string, number>;
  update(
    library: Library,
    weight: JaxArray,
    gradient: JaxArray,
    state: Named<JaxArray>,
    scalars: Named<JaxArray>,
  ): Updated;
}

interface Updated {
  readonly weight: JaxArray;
  readonly state: Named<JaxArray>;
}

export const jaxSgd: JaxOptimizer = {
  state: ["momentum"],
  scalars: () => ({}),
  update(_, weight, gradient, { momentum }) {
    const next = momentum.mul(0.9).add(gradient);
    return { weight: weight.sub(next.ref.mul(1e-3)), state: { momentum: next } };
  },
};

/** With `decay` it is AdamW. */
export function jaxAdam(decay: number): JaxOptimizer {
  return {
    state: ["mean", "square"],
    scalars: (step) => ({ first: 1e-3 / (1 - 0.9 ** step), second: 1 / (1 - 0.999 ** step) }),
    update({ numpy }, weight, gradient, { mean, square }, { first, second }) {
      const nextMean = mean.mul(0.9).add(gradient.ref.mul(0.1));
      const nextSquare = square.mul(0.999).add(gradient.ref.mul(gradient).mul(0.001));
      const denominator = numpy.sqrt(nextSquare.ref.mul(second.ref)).add(1e-8);
      const next = weight.mul(1 - 1e-3 * decay).sub(nextMean.ref.mul(first.ref).div(denominator));
      return { weight: next, state: { mean: nextMean, square: nextSquare } };
    },
  };
}

type State = Record<string, Named<JaxArray>>;

export function jaxTrainingStep(
  library: Library,
  parameters: Named<JaxArray>,
  forward: (operations: Operations<JaxArray> & TransformerOperations<JaxArray>, input: JaxArray) => JaxArray,
  inputs: Named<JaxArray>,
  { state: kept, scalars, update }: JaxOptimizer,
): () => JaxArray {
  const { numpy, tree } = library;
  let weights: Named<JaxArray> = tree.ref(parameters);
  let state: State = {};
  for (const [name, { shape }] of Object.entries(weights))
    state[name] = Object.fromEntries(kept.map((key) => [key, numpy.zeros(shape)]));

  const lossOf = (w: Named<JaxArray>, { input, target }: Named<JaxArray>) => {
    const logits = forward(jaxOperations(library, w, true), input);
    tree.dispose(w);
    return crossEntropy(library, logits, target);
  };
  const compiled = library.jit((w: Named<JaxArray>, old: State, data: Named<JaxArray>, numbers: Named<JaxArray>) => {
    const [loss, gradients] = library.valueAndGrad(lossOf)(tree.ref(w), data);
    const updated = Object.entries(w).map(([name, weight]) => ({
      name,
      ...update(library, weight, gradients[name], old[name], numbers),
    }));
    tree.dispose(numbers);
    return [
      loss,
      Object.fromEntries(updated.map((u) => [u.name, u.weight])),
      Object.fromEntries(updated.map((u) => [u.name, u.state])),
    ];
  });
  let step = 0;
  return () => {
    step++;
    const numbers = Object.fromEntries(
      Object.entries(scalars(step)).map(([name, value]) => [name, numpy.array(value)]),
    );
    const [loss, ...next] = compiled(weights, state, tree.ref(inputs), numbers);
    [weights, state] = next;
    return loss;
  };
}
