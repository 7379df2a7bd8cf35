/**
 * The networks once more as functions, for libraries without PyTorch's modules: written with few operations, which each
 * library supplies. Parameters have the names of PyTorch's `state_dict`.
 */

/** What a library supplies. `name` is that of a layer: its parameters are `name.weight` and, where there is one, `name.bias`. */
export interface Operations<T> {
  convolution(x: T, name: string, stride: number, padding: number): T;
  /** Over batch, height and width; in inference with the running statistics. */
  batchNorm(x: T, name: string): T;
  maxPool(x: T, size: number, stride: number, padding: number): T;
  /** The mean over height and width. */
  globalAverage(x: T): T;
  /** All dimensions but the first as one, channels first. */
  flatten(x: T): T;
  relu(x: T): T;
  linear(x: T, name: string): T;
  add(a: T, b: T): T;
  /** Says that `x` will be used once more than it was handed over: jax-js counts. */
  again(x: T): T;
}

export function lenet<T>(o: Operations<T>, x: T): T {
  x = o.maxPool(o.relu(o.convolution(x, "conv1", 1, 0)), 2, 2, 0);
  x = o.maxPool(o.relu(o.convolution(x, "conv2", 1, 0)), 2, 2, 0);
  x = o.relu(o.linear(o.flatten(x), "fc1"));
  return o.linear(o.relu(o.linear(x, "fc2")), "fc3");
}

export function mlp<T>(o: Operations<T>, x: T): T {
  x = o.relu(o.linear(x, "0"));
  return o.linear(o.relu(o.linear(x, "2")), "4");
}

export function resnet18<T>(o: Operations<T>, x: T): T {
  x = o.relu(o.batchNorm(o.convolution(x, "conv1", 2, 3), "bn1"));
  x = o.maxPool(x, 3, 2, 1);
  for (const [i, stride] of [1, 2, 2, 2].entries()) {
    const layer = `layer${i + 1}`;
    x = basicBlock(o, basicBlock(o, x, `${layer}.0`, stride), `${layer}.1`, 1);
  }
  return o.linear(o.globalAverage(x), "fc");
}

function basicBlock<T>(o: Operations<T>, x: T, name: string, stride: number): T {
  let y = o.batchNorm(o.convolution(o.again(x), `${name}.conv1`, stride, 1), `${name}.bn1`);
  y = o.batchNorm(o.convolution(o.relu(y), `${name}.conv2`, 1, 1), `${name}.bn2`);
  if (stride !== 1) x = o.batchNorm(o.convolution(x, `${name}.downsample.0`, stride, 0), `${name}.downsample.1`);
  return o.relu(o.add(y, x));
}

/** What a transformer needs beside `linear`, `add` and `again`. */
export interface TransformerOperations<T> extends Pick<Operations<T>, "linear" | "add" | "again"> {
  /** Rows of the table `name.weight`. */
  embedding(tokens: T, name: string): T;
  /** The table `name.weight` itself, as an embedding of 0, 1, 2, … */
  table(name: string): T;
  layerNorm(x: T, name: string): T;
  gelu(x: T): T;
  /** Causal attention: `x` has queries, keys and values side by side in its last dimension. */
  attention(x: T, heads: number): T;
}

export function gpt<T>(o: TransformerOperations<T>, tokens: T, layers: number, heads: number): T {
  let x = o.add(o.embedding(tokens, "tokens"), o.table("positions"));
  for (let i = 0; i < layers; i++) {
    const block = `blocks.${i}`;
    const attended = o.attention(o.linear(o.layerNorm(o.again(x), `${block}.norm1`), `${block}.attention`), heads);
    x = o.add(x, o.linear(attended, `${block}.projection`));
    const hidden = o.gelu(o.linear(o.layerNorm(o.again(x), `${block}.norm2`), `${block}.mlp.0`));
    x = o.add(x, o.linear(hidden, `${block}.mlp.2`));
  }
  return o.linear(o.layerNorm(x, "norm"), "head");
}
