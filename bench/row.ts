/** What is measured: a row is the same small program for every contender, on the same data. */
import type * as jax from "@jax-js/jax";
import type * as tf from "@tensorflow/tfjs";
import type { Tensor } from "../src/index.ts";
import type { Graph } from "./onnx.ts";

/** Data that every contender makes for itself, equal to the bit (see `data.ts` and its twin in `pytorch.py`). */
export interface Input {
  readonly shape: readonly number[];
  /** Values are uniform in [-scale, scale). Default 1. */
  readonly scale?: number;
  /** Instead: int64 values in 0 … classes - 1, where a library has int64. */
  readonly classes?: number;
}

export type Inputs = Readonly<Record<string, Input>>;
export type Named<T> = Readonly<Record<string, T>>;
export type Tensors = Named<Tensor>;
export type OneOrMore<T> = T | readonly T[];

export type TfTensor = ReturnType<typeof tf.tensor>;
export type JaxArray = ReturnType<typeof jax.numpy.array>;

/** A program gets the inputs, prepares, and returns the step that is measured. What the step returns is compared. */
type Program<T> = (inputs: Named<T>) => (() => OneOrMore<T>) | Promise<() => OneOrMore<T>>;

export interface Row {
  readonly name: string;
  readonly inputs: Inputs;
  readonly kindling: Program<Tensor>;
  /**
   * The same in Python, with `torch`, `nn`, `F` and the inputs by name. The last line is an expression, which is the step,
   * or the end of a function `step()`.
   */
  readonly pytorch: string;
  /** With TensorFlow.js. The step runs within `tf.tidy`. `parameters` are what the row's `parameters` says. */
  readonly tfjs?: (
    library: typeof tf,
    inputs: Named<TfTensor>,
    parameters: Named<TfTensor>,
  ) => () => OneOrMore<TfTensor>;
  /** With jax-js. What goes into the step stays the program's: a step that uses an array passes `array.ref` on. */
  readonly jax?: (
    library: typeof jax,
    inputs: Named<JaxArray>,
    parameters: Named<JaxArray>,
  ) => () => OneOrMore<JaxArray>;
  /** As an ONNX graph: gets the names of the inputs and returns that of the result. */
  readonly onnx?: (graph: Graph, inputs: Named<string>, parameters: Named<string>) => string;
  /** Weights that the other libraries start from: those that Kindling and PyTorch draw with the seed 0. */
  readonly parameters?: () => Tensors | Promise<Tensors>;
  /** Inputs that a library may prepare before it is measured, as the weights of a network in inference. */
  readonly constants?: readonly string[];
  /** Tensors of images and filters, which TensorFlow.js has with the channels last. It gets them so, and its results are turned back. */
  readonly layouts?: Layouts;
  /** Largest difference allowed between results, relative to the largest magnitude. Default 1e-4. */
  readonly tolerance?: number;
  /** The results of which call are compared: of a training step a later one, which shows what the steps before it did. Default 1. */
  readonly comparedCall?: number;
  /** What we want of PyTorch's time over ours, at least. */
  readonly bar?: number;
  /** The same without 256-bit vectors. */
  readonly narrowBar?: number;
}

export type Layout = "images" | "filters" | "depthwise filters";

export interface Layouts {
  readonly inputs: Named<Layout>;
  readonly outputs: readonly (Layout | null)[];
}

/** A float32 input. */
export function uniform(shape: readonly number[], scale = 1): Input {
  return { shape, scale };
}

/** An int64 input with values in 0 … classes - 1. */
export function labels(shape: readonly number[], classes: number): Input {
  return { shape, classes };
}

/** A row whose step is an expression of its inputs. */
export interface Expression extends Omit<Row, "kindling" | "tfjs" | "jax"> {
  readonly kindling: (inputs: Tensors) => Tensor;
  readonly tfjs?: (library: typeof tf, inputs: Named<TfTensor>) => TfTensor;
  /** Compiled by `jit`. By jax-js's rule it consumes each input once. */
  readonly jax?: (library: typeof jax, inputs: Named<JaxArray>) => JaxArray;
}

export function expression({ kindling, tfjs, jax, ...rest }: Expression): Row {
  return {
    ...rest,
    kindling: (inputs) => () => kindling(inputs),
    tfjs: tfjs && ((library, inputs) => () => tfjs(library, inputs)),
    jax:
      jax &&
      ((library, inputs) => {
        const compiled = library.jit((arrays: Named<JaxArray>) => jax(library, arrays));
        return () => compiled(library.tree.ref(inputs));
      }),
  };
}

/** An expression that is also measured with its gradients. */
export interface Differentiable extends Expression {
  /** The inputs whose gradients are computed. */
  readonly leaves: readonly string[];
  /** The shape of the result, and so of the gradient that backward starts from. */
  readonly output: readonly number[];
  /** The bar of the row with gradients, if it is another one. */
  readonly backwardBar?: number;
}

/** Two rows: the expression, and the expression with the gradients of its leaves. */
export function withBackward({ leaves, output, backwardBar, ...forward }: Differentiable): Row[] {
  return [expression(forward), backwardRow(forward, leaves, output, backwardBar)];
}

function backwardRow(forward: Expression, leaves: readonly string[], output: readonly number[], bar?: number): Row {
  const { kindling, pytorch, tfjs, jax, layouts } = forward;
  return {
    ...forward,
    name: `${forward.name}, forward and backward`,
    bar: bar ?? forward.bar,
    inputs: { ...forward.inputs, gradient: uniform(output) },
    layouts: layouts && {
      inputs: { ...layouts.inputs, ...(layouts.outputs[0] && { gradient: layouts.outputs[0] }) },
      outputs: [...layouts.outputs, ...leaves.map((name) => layouts.inputs[name] ?? null)],
    },
    kindling: ({ gradient, ...inputs }) => {
      const tensors = leaves.map((name) => inputs[name].requires_grad_());
      return () => {
        for (const leaf of tensors) leaf.grad = null;
        const y = kindling(inputs);
        y.backward(gradient);
        return [y, ...tensors.map((leaf) => leaf.grad as Tensor)];
      };
    },
    pytorch: `
leaves = [${leaves}]
for leaf in leaves:
    leaf.requires_grad_()
def step():
    for leaf in leaves:
        leaf.grad = None
    y = ${pytorch}
    y.backward(gradient)
    return [y, *(leaf.grad for leaf in leaves)]`,
    tfjs:
      tfjs &&
      ((library, { gradient, ...inputs }) => {
        const tensors = leaves.map((name) => inputs[name]);
        return () => {
          const { value, grads } = library.engine().gradients(() => tfjs(library, inputs), tensors, gradient);
          return [value, ...grads];
        };
      }),
    jax:
      jax &&
      ((library, inputs) => {
        const compiled = library.jit(({ gradient, ...arrays }: Named<JaxArray>) => {
          const differentiated = (...values: readonly JaxArray[]) =>
            jax(library, { ...arrays, ...Object.fromEntries(leaves.map((name, i) => [name, values[i]])) });
          const [y, pullBack] = library.vjp(
            differentiated,
            leaves.map((name) => arrays[name]),
          );
          return [y, ...pullBack(gradient)];
        });
        return () => compiled(library.tree.ref(inputs));
      }),
    onnx: undefined,
  };
}
