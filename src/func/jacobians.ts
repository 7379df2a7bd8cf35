/** Jacobians and Hessians: `torch.func.jacrev`, `jacfwd` and `hessian`. https://pytorch.org/functorch/stable/notebooks/jacobians_hessians.html */
import { RuntimeError, ValueError } from "../errors.ts";
import { cat } from "../ops/joining.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import type { Randomness } from "./batch-level.ts";
import { type AnyFunction, type Argnums, argumentNumbers, type LikeArguments, typeText } from "./grad.ts";
import { jvpOf } from "./jvp.ts";
import { flatten, type Tree, unflatten } from "./pytree.ts";
import { vjpOf } from "./vjp.ts";
import { vmap } from "./vmap.ts";

/** For each leaf of a result, what has the structure of the arguments: the derivatives of the one with respect to the other. */
export type Jacobian<R, G> = R extends Tensor
  ? G
  : R extends object
    ? { -readonly [K in keyof R]: Jacobian<R[K], G> }
    : never;

export interface JacobianOptions<N extends Argnums = Argnums> {
  /** Which arguments to differentiate. Default 0. */
  readonly argnums?: N;
  /** The function returns `[output, aux]`. Default false. */
  readonly has_aux?: boolean;
}

export interface JacrevOptions<N extends Argnums = Argnums> extends JacobianOptions<N> {
  /** How many rows to compute at once; null (the default) for all. */
  readonly chunk_size?: number | null;
}

export interface JacfwdOptions<N extends Argnums = Argnums> extends JacobianOptions<N> {
  /** What random operations do for the columns, which are computed together: see `vmap`. Default "error". */
  readonly randomness?: Randomness;
}

type WithAux = { readonly has_aux: true };

/** Rows `start` to `end` of the identity matrix of all elements of `tensors`, as tensors with one more dimension in front. */
function basis(tensors: readonly Tensor[], start: number, end: number): Tensor[] {
  let first = 0;
  return tensors.map((t) => {
    const rows = t.detach().new_zeros([end - start, t.count]);
    const from = Math.max(first, start);
    const to = Math.min(first + t.count, end);
    if (from < to) {
      rows
        .narrow(0, from - start, to - from)
        .narrow(1, from - first, to - from)
        .diagonal()
        .fill_(1);
    }
    first += t.count;
    return rows.view([end - start, ...t.sizes]);
  });
}

function total(tensors: readonly Tensor[]): number {
  return tensors.reduce((n, t) => n + t.count, 0);
}

/** The structure of the arguments `numbers`: of the only one, or of a list of them. */
function argumentTree(args: readonly unknown[], numbers: readonly number[], several: boolean): Tree {
  const trees = numbers.map((n) => flatten(args[n]).tree);
  return several ? { kind: "array", children: trees } : trees[0];
}

/** The tensors of the arguments to be differentiated. */
function tensorsOf(args: readonly unknown[], numbers: readonly number[]): Tensor[] {
  return numbers.flatMap((n) =>
    flatten(args[n]).leaves.map((leaf) => {
      if (is_tensor(leaf)) return leaf;
      throw new ValueError(`Thing passed to transform API must be Tensor, got ${typeText(leaf)}`);
    }),
  );
}

/**
 * A function that gives the Jacobian of `func`, row by row in reverse mode: fewer results than arguments are cheap. For each
 * tensor of the result it has the structure of the argument (of the arguments) with the dimensions of the result before
 * those of the argument.
 */
export function jacrev<A extends unknown[], R, X, const N extends Argnums = 0>(
  func: (...args: A) => readonly [R, X],
  options: JacrevOptions<N> & WithAux,
): (...args: A) => [Jacobian<R, LikeArguments<A, N>>, X];
export function jacrev<A extends unknown[], R, const N extends Argnums = 0>(
  func: (...args: A) => R,
  options?: JacrevOptions<N>,
): (...args: A) => Jacobian<R, LikeArguments<A, N>>;
export function jacrev(func: AnyFunction, options: JacrevOptions = {}): AnyFunction {
  const { argnums = 0, has_aux = false, chunk_size = null } = options;
  if (chunk_size !== null && !(chunk_size > 0)) throw new ValueError("jacrev: `chunk_size` should be greater than 0.");
  return (...args: unknown[]) => {
    const { numbers, several } = argumentNumbers(argnums, args.length);
    const { output, pullback, aux } = vjpOf(func, args, numbers, has_aux);
    const { leaves, tree } = flatten(output);
    const outputs = leaves as Tensor[];
    const inputs = tensorsOf(args, numbers);
    const rows = total(outputs);
    const step = chunk_size ?? Math.max(rows, 1);
    const chunks: Tensor[][] = [];
    for (let start = 0; start < Math.max(rows, 1); start += step) {
      const cotangents = basis(outputs, start, Math.min(start + step, rows));
      const pull = (...rowOf: Tensor[]): Tensor[] => flatten(pullback(unflatten(tree, rowOf))).leaves as Tensor[];
      // One row at a time needs no batching rules.
      chunks.push(
        step === 1
          ? pull(...cotangents.map((t) => t.squeeze(0))).map((t) => t.unsqueeze(0))
          : vmap(pull)(...cotangents),
      );
    }
    const whole = inputs.map((_, i) =>
      chunks.length === 1
        ? chunks[0][i]
        : cat(
            chunks.map((chunk) => chunk[i]),
            0,
          ),
    );
    const split = whole.map((t) =>
      t.split_with_sizes(
        outputs.map((o) => o.count),
        0,
      ),
    );
    const structure = argumentTree(args, numbers, several);
    const jacobians = outputs.map((o, j) =>
      unflatten(
        structure,
        inputs.map((input, i) => split[i][j].reshape([...o.sizes, ...input.sizes])),
      ),
    );
    const result = unflatten(tree, jacobians);
    return has_aux ? [result, aux] : result;
  };
}

/**
 * A function that gives the Jacobian of `func`, column by column in forward mode: fewer arguments than results are cheap.
 * The result has the structure of that of `jacrev`.
 */
export function jacfwd<A extends unknown[], R, X, const N extends Argnums = 0>(
  func: (...args: A) => readonly [R, X],
  options: JacfwdOptions<N> & WithAux,
): (...args: A) => [Jacobian<R, LikeArguments<A, N>>, X];
export function jacfwd<A extends unknown[], R, const N extends Argnums = 0>(
  func: (...args: A) => R,
  options?: JacfwdOptions<N>,
): (...args: A) => Jacobian<R, LikeArguments<A, N>>;
export function jacfwd(func: AnyFunction, options: JacfwdOptions = {}): AnyFunction {
  const { argnums = 0, has_aux = false, randomness = "error" } = options;
  return (...args: unknown[]) => {
    const { numbers, several } = argumentNumbers(argnums, args.length);
    const inputs = tensorsOf(args, numbers);
    if (inputs.length === 0)
      throw new RuntimeError("jvp(f, primals, tangents): Expected primals to contain at least one Tensor.");
    const trees = numbers.map((n) => flatten(args[n]).tree);
    let tree: Tree = { kind: "leaf" };
    const push = (...columns: Tensor[]): unknown => {
      const tangents = unflatten({ kind: "array", children: trees }, columns) as unknown[];
      const { tangent, aux } = jvpOf(func, args, tangents, numbers, { has_aux });
      const flat = flatten(tangent);
      tree = flat.tree;
      return has_aux ? [flat.leaves, aux] : [flat.leaves];
    };
    const [tangents, aux] = vmap(push, { randomness })(...basis(inputs, 0, total(inputs))) as [Tensor[], unknown];
    const structure = argumentTree(args, numbers, several);
    const jacobians = tangents.map((columns) => {
      const parts = columns.movedim(0, -1).split_with_sizes(
        inputs.map((t) => t.count),
        -1,
      );
      const sizes = columns.sizes.slice(1);
      return unflatten(
        structure,
        inputs.map((input, i) => parts[i].reshape([...sizes, ...input.sizes])),
      );
    });
    const result = unflatten(tree, jacobians);
    if (!has_aux) return result;
    const { leaves, tree: auxTree } = flatten(aux);
    // The same for every column.
    return [
      result,
      unflatten(
        auxTree,
        leaves.map((t) => (is_tensor(t) ? t.select(0, 0) : t)),
      ),
    ];
  };
}

/** A function that gives the Hessian of `func`: its second derivatives, in forward mode over reverse mode. */
export function hessian<A extends unknown[], R, const N extends Argnums = 0>(
  func: (...args: A) => R,
  options: { readonly argnums?: N } = {},
): (...args: A) => Jacobian<Jacobian<R, LikeArguments<A, N>>, LikeArguments<A, N>> {
  const { argnums } = options;
  const first = jacrev(func, { argnums }) as (...args: A) => Jacobian<R, LikeArguments<A, N>>;
  return jacfwd(first, { argnums }) as never;
}
