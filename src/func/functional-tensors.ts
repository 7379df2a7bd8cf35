/** The arguments of `torch.autograd.functional`: a tensor, or a tuple of tensors. */
import { namedArguments } from "../keywords.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { typeText } from "./grad.ts";

/** A tensor or several. */
export type Tensors = Tensor | Tensor[];

/** A list of tensors, and whether it was one when the user gave it. */
export interface Pair {
  readonly several: boolean;
  readonly tensors: Tensor[];
}

/** `x` as a list; anything but tensors is an error. */
export function list(x: unknown, what: string, name: string): Pair {
  if (is_tensor(x)) return { several: false, tensors: [x] };
  const must = `The ${what} given to ${name} must be either a Tensor or a tuple of Tensors but the`;
  if (!Array.isArray(x)) throw new TypeError(`${must} given ${what} has type ${typeText(x)}.`);
  x.forEach((t: unknown, i) => {
    if (!is_tensor(t)) throw new TypeError(`${must} value at index ${i} has type ${typeText(t)}.`);
  });
  return { several: true, tensors: x as Tensor[] };
}

/** The inverse of `list`. */
export function tensors(results: Tensor[], several: boolean): Tensors {
  return several ? results : results[0];
}

/** Takes off the levels of a nested list that stand for a tensor that was no tuple. */
export function unnested(rows: Tensor[][], outer: boolean, inner: boolean): unknown {
  const list = inner ? rows : rows.map((row) => row[0]);
  return outer ? list : list[0];
}

interface Options {
  readonly v: unknown;
  readonly create_graph: boolean;
  readonly strict: boolean;
  readonly vectorize: boolean;
  readonly strategy: unknown;
  readonly outer_jacobian_strategy: unknown;
}

/** Options with their defaults, positional or by keyword. */
export function bindOptions(name: string, names: readonly string[], rest: readonly unknown[]): Options {
  const values = namedArguments(name, names, rest);
  return {
    v: values.v,
    create_graph: Boolean(values.create_graph),
    strict: Boolean(values.strict),
    vectorize: Boolean(values.vectorize),
    strategy: values.strategy ?? "reverse-mode",
    outer_jacobian_strategy: values.outer_jacobian_strategy ?? "reverse-mode",
  };
}
