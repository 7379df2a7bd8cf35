/** What is measured: a row is the same small program for every contender, on the same data. */
import type { Tensor } from "../src/index.ts";

/** Data that every contender makes for itself, equal to the bit (see `data.ts` and its twin in `pytorch.py`). */
export interface Input {
  readonly shape: readonly number[];
  /** Values are uniform in [-scale, scale). Default 1. */
  readonly scale?: number;
  /** Instead: int64 values in 0 … classes - 1. */
  readonly classes?: number;
}

export type Inputs = Readonly<Record<string, Input>>;
export type Tensors = Readonly<Record<string, Tensor>>;

/** What a step gives back to be compared. */
export type Output = Tensor | readonly Tensor[];

export interface Row {
  readonly name: string;
  readonly inputs: Inputs;
  /** Kindling's program: gets the inputs, prepares, and returns the step that is measured. */
  readonly kindling: (inputs: Tensors) => (() => Output) | Promise<() => Output>;
  /**
   * The same in Python, with `torch`, `nn`, `F` and the inputs by name. The last line is an expression, which is the step,
   * or the end of a function `step()`.
   */
  readonly pytorch: string;
  /** Largest difference allowed between results, relative to the largest magnitude. Default 1e-4. */
  readonly tolerance?: number;
  /** The results of which call are compared: of a training step a later one, which shows what the steps before it did. Default 1. */
  readonly comparedCall?: number;
  /** What we want of PyTorch's time over ours, at least. */
  readonly bar?: number;
  /** The same without 256-bit vectors. */
  readonly narrowBar?: number;
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
export interface Expression extends Omit<Row, "kindling"> {
  readonly kindling: (inputs: Tensors) => Tensor;
}

export function expression({ kindling, ...rest }: Expression): Row {
  return { ...rest, kindling: (inputs) => () => kindling(inputs) };
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
  const { kindling, pytorch, bar } = forward;
  return [
    expression(forward),
    {
      ...forward,
      name: `${forward.name}, forward and backward`,
      bar: backwardBar ?? bar,
      inputs: { ...forward.inputs, gradient: uniform(output) },
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
    },
  ];
}
