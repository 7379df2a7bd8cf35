/** Gradients of functions: `torch.func.grad` and `value_and_grad`. https://pytorch.org/docs/stable/generated/torch.func.grad.html */
import { tangentsMayExist } from "../autograd/dual-level.ts";
import { runBackward } from "../autograd/engine.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { zeros_like } from "../ops/creation.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { requiresGradSomewhere, wrapAutograd } from "../wrapping.ts";
import { AutogradLevel } from "./autograd-level.ts";
import { recording, synchronous } from "./level.ts";
import { flatten, mapTree, unflatten } from "./pytree.ts";

/** Which arguments: a number or several, counted from 0, negative ones from the end. */
export type Argnums = number | readonly number[];

export interface GradOptions<N extends Argnums = Argnums> {
  /** Which arguments to differentiate. Default 0. */
  readonly argnums?: N;
  /** The function returns `[output, aux]`, and what it returns beside the output is to be passed on. Default false. */
  readonly has_aux?: boolean;
}

/** What errors call the type of a value, in Python's words. */
export function typeText(x: unknown): string {
  if (x === null || x === undefined) return "<class 'NoneType'>";
  if (Array.isArray(x)) return "<class 'tuple'>";
  switch (typeof x) {
    case "number":
      return Number.isInteger(x) ? "<class 'int'>" : "<class 'float'>";
    case "bigint":
      return "<class 'int'>";
    case "boolean":
      return "<class 'bool'>";
    case "string":
      return "<class 'str'>";
    case "function":
      return "<class 'function'>";
    default:
      return Object.getPrototypeOf(x) === Object.prototype
        ? "<class 'dict'>"
        : `<class '${(x as object).constructor?.name ?? "object"}'>`;
  }
}

/** The numbers of the arguments, none twice. */
export function argumentNumbers(argnums: unknown, count: number): { numbers: number[]; several: boolean } {
  const several = Array.isArray(argnums);
  if (!several && !(typeof argnums === "number" && Number.isInteger(argnums))) {
    throw new RuntimeError(`argnums must be int or Tuple[int, ...], got: ${typeText(argnums)}`);
  }
  const list = (several ? argnums : [argnums]) as number[];
  if (list.length === 0) throw new RuntimeError("argnums must be non-empty");
  const numbers = list.map((n) => {
    if (!(n >= -count && n < count)) throw new RuntimeError(`Got argnum=${n}, but only ${count} positional inputs`);
    return n < 0 ? n + count : n;
  });
  if (new Set(numbers).size !== numbers.length) {
    throw new RuntimeError(`argnums elements must be unique, got (${list.join(", ")})`);
  }
  return { numbers, several };
}

/** The arguments of a transformed function at a level: those to be differentiated as leaves there. */
export interface Lifted {
  readonly args: readonly unknown[];
  /** The leaves of the differentiated arguments. */
  readonly leaves: readonly Tensor[];
}

export function lift(level: AutogradLevel, args: readonly unknown[], numbers: readonly number[]): Lifted {
  const leaves: Tensor[] = [];
  const lifted = args.map((argument, i) =>
    numbers.includes(i)
      ? mapTree(argument, (leaf) => {
          if (!is_tensor(leaf)) {
            throw new ValueError(`Thing passed to transform API must be Tensor, got ${typeText(leaf)}`);
          }
          const wrapper = wrapAutograd(leaf, level);
          if (!leaf.dtype.is_floating_point) {
            throw new RuntimeError("only Tensors of floating point dtype can require gradients");
          }
          wrapper.leafRequiresGrad = true;
          return wrapper;
        })
      : argument,
  );
  // In the order of argnums, which is that of the results.
  for (const n of numbers) for (const leaf of flatten(lifted[n]).leaves) leaves.push(leaf as Tensor);
  return { args: lifted, leaves };
}

/** The gradients of `outputs`, as tensors of the level below; zeros for what they do not depend on. */
export function gradientsBelow(
  level: AutogradLevel,
  outputs: readonly Tensor[],
  cotangents: readonly Tensor[],
  leaves: readonly Tensor[],
  { createGraph, retainGraph = false }: { readonly createGraph: boolean; readonly retainGraph?: boolean },
): Tensor[] {
  const dependent = [...outputs.keys()].filter((i) => outputs[i].requires_grad);
  const found =
    dependent.length === 0
      ? leaves.map(() => null)
      : runBackward(
          dependent.map((i) => outputs[i]),
          dependent.map((i) => cotangents[i]),
          { retainGraph: retainGraph || createGraph, createGraph, inputs: leaves, accumulate: false },
        );
  return leaves.map((leaf, i) => level.unwrapped(found[i] ?? zeros_like(leaf)));
}

/** Whether gradients themselves have to be differentiable: something below depends on what they are made of. */
export function needsGraph(outputs: readonly Tensor[]): boolean {
  return tangentsMayExist() || outputs.some((t) => t.wrapping !== null && requiresGradSomewhere(t.wrapping.value));
}

/** Any function; what it takes is not looked at here. */
export type AnyFunction = (...args: never[]) => unknown;

/** The type of argument `N` of a function. */
type ArgumentOf<A extends readonly unknown[], N> = N extends number
  ? `${N}` extends keyof A
    ? A[`${N}`]
    : A[number]
  : never;

/** What has the structure of the arguments `N`. */
export type LikeArguments<A extends readonly unknown[], N extends Argnums> = N extends readonly number[]
  ? { -readonly [K in keyof N]: ArgumentOf<A, N[K]> }
  : ArgumentOf<A, N>;

type WithAux = { readonly has_aux: true };

/**
 * A function that gives `[gradient, value]` of `func`, which returns a scalar; with `has_aux`, where `func` returns
 * `[value, aux]`, it gives `[gradient, [value, aux]]`. The gradient has the structure of the argument, or of the arguments.
 */
export function grad_and_value<A extends unknown[], X, const N extends Argnums = 0>(
  func: (...args: A) => readonly [Tensor, X],
  options: GradOptions<N> & WithAux,
): (...args: A) => [LikeArguments<A, N>, [Tensor, X]];
export function grad_and_value<A extends unknown[], const N extends Argnums = 0>(
  func: (...args: A) => Tensor,
  options?: GradOptions<N>,
): (...args: A) => [LikeArguments<A, N>, Tensor];
export function grad_and_value(
  func: AnyFunction,
  options: GradOptions = {},
): (...args: unknown[]) => [unknown, unknown] {
  const { argnums = 0, has_aux = false } = options;
  return (...args) => {
    const { numbers, several } = argumentNumbers(argnums, args.length);
    const level = new AutogradLevel();
    return level.run(() =>
      recording(() => {
        const { args: lifted, leaves } = lift(level, args, numbers);
        const result = synchronous("grad", func(...(lifted as never[])));
        const [output, aux] = splitAux("grad_and_value(f)(*args)", result, has_aux);
        if (!is_tensor(output)) {
          throw new RuntimeError(
            `grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got ${typeText(output)}`,
          );
        }
        if (output.sizes.length !== 0) {
          throw new RuntimeError(
            `grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with ${output.sizes.length} dims. Maybe you wanted to use the vjp or jacrev APIs instead?`,
          );
        }
        const one = output.detach().new_ones([]);
        const grads = gradientsBelow(level, [output], [one], leaves, {
          createGraph: needsGraph([output]),
        });
        let next = 0;
        const structured = numbers.map((n) => {
          const { leaves: own, tree } = flatten(lifted[n]);
          next += own.length;
          return unflatten(tree, grads.slice(next - own.length, next));
        });
        const gradient = several ? structured : structured[0];
        const value = level.unwrapped(output);
        if (!has_aux) return [gradient, value];
        return [gradient, [value, mapTree(aux, (t) => (is_tensor(t) ? level.unwrapped(t) : t))]];
      }),
    );
  };
}

/**
 * The same in the other order: `[value, gradient]`, or `[[value, aux], gradient]` with `has_aux`. PyTorch has only
 * `grad_and_value`; this is the name that JAX gave it.
 */
export function value_and_grad<A extends unknown[], X, const N extends Argnums = 0>(
  func: (...args: A) => readonly [Tensor, X],
  options: GradOptions<N> & WithAux,
): (...args: A) => [[Tensor, X], LikeArguments<A, N>];
export function value_and_grad<A extends unknown[], const N extends Argnums = 0>(
  func: (...args: A) => Tensor,
  options?: GradOptions<N>,
): (...args: A) => [Tensor, LikeArguments<A, N>];
export function value_and_grad(
  func: (...args: never[]) => unknown,
  options: GradOptions = {},
): (...args: unknown[]) => [unknown, unknown] {
  const both = grad_and_value(func as (...args: unknown[]) => Tensor, options);
  return (...args) => {
    const [gradient, value] = both(...args);
    return [value, gradient];
  };
}

/** The output and what comes with it. */
export function splitAux(name: string, result: unknown, hasAux: boolean): [unknown, unknown] {
  if (!hasAux) return [result, null];
  if (!Array.isArray(result) || result.length !== 2) {
    throw new RuntimeError(`${name}: output of function f should be a tuple: (output, aux) if has_aux is True`);
  }
  return result as [unknown, unknown];
}

/**
 * A function that gives the gradient of `func`, which returns a scalar; with `has_aux`, where `func` returns
 * `[value, aux]`, it gives `[gradient, aux]`. The gradient has the structure of the argument, or of the arguments.
 */
export function grad<A extends unknown[], X, const N extends Argnums = 0>(
  func: (...args: A) => readonly [Tensor, X],
  options: GradOptions<N> & WithAux,
): (...args: A) => [LikeArguments<A, N>, X];
export function grad<A extends unknown[], const N extends Argnums = 0>(
  func: (...args: A) => Tensor,
  options?: GradOptions<N>,
): (...args: A) => LikeArguments<A, N>;
export function grad(func: (...args: never[]) => unknown, options: GradOptions = {}): (...args: unknown[]) => unknown {
  const both = grad_and_value(func as (...args: unknown[]) => Tensor, options) as (
    ...args: unknown[]
  ) => [unknown, unknown];
  return (...args) => {
    const [gradient, value] = both(...args);
    return options.has_aux ? [gradient, (value as [unknown, unknown])[1]] : gradient;
  };
}
