/** Products with Jacobians, from the left: `torch.func.vjp`. https://pytorch.org/docs/stable/generated/torch.func.vjp.html */
import { is_grad_enabled } from "../autograd/mode.ts";
import { RuntimeError } from "../errors.ts";
import { shapeText } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { AutogradLevel } from "./autograd-level.ts";
import { type AnyFunction, gradientsBelow, lift, splitAux, typeText } from "./grad.ts";
import { recording, synchronous } from "./level.ts";
import { flatten, isPlainObject, mapTree, sameTree, treeText, unflatten } from "./pytree.ts";

/** Refuses results of a function that are not tensors, or none at all. */
export function checkOutputs(leaves: readonly unknown[], api: string): readonly Tensor[] {
  if (leaves.length === 0 || (leaves.length === 1 && (leaves[0] === null || leaves[0] === undefined))) {
    throw new RuntimeError(
      `${api}: Expected f to be a function that has non-empty output (got output = [${leaves.length === 0 ? "" : "None"}])`,
    );
  }
  for (const leaf of leaves) {
    if (!is_tensor(leaf)) {
      throw new RuntimeError(
        `${api}: expected f(*primals) to return only tensors, got unsupported type ${typeText(leaf)}`,
      );
    }
  }
  return leaves as readonly Tensor[];
}

export interface VjpCallOptions {
  /** Keep what was saved, so that the function can be called again. Default true. */
  readonly retain_graph?: boolean;
  /** Make the result differentiable. Default: whether operations are recorded. */
  readonly create_graph?: boolean | null;
}

/** The result of `func`, the function that multiplies with its Jacobian, and what `func` returned beside the result. */
export interface Vjp {
  readonly output: unknown;
  readonly pullback: (cotangents: unknown, options?: VjpCallOptions) => unknown[];
  readonly aux: unknown;
}

/** `vjp` with respect to the arguments `numbers`; `pullback` gives a list with an entry for each. */
export function vjpOf(
  func: AnyFunction,
  primals: readonly unknown[],
  numbers: readonly number[],
  hasAux: boolean,
): Vjp {
  const level = new AutogradLevel();
  return level.run(() =>
    recording(() => {
      const { args, leaves } = lift(level, primals, numbers);
      const result = synchronous("vjp", func(...(args as never[])));
      const [returned, extra] = splitAux("vjp(f, *primals)", result, hasAux);
      const { leaves: results, tree } = flatten(returned);
      const outputs = checkOutputs(results, "vjp(f, *primals)");
      for (const t of outputs) {
        if (t.dtype.is_floating_point) continue;
        throw new RuntimeError(
          `vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got Tensor with dtype ${t.dtype}`,
        );
      }
      const lower = (x: unknown): unknown => (is_tensor(x) ? level.unwrapped(x) : x);
      const trees = numbers.map((n) => flatten(args[n]).tree);
      const counts = numbers.map((n) => flatten(args[n]).leaves.length);
      const pullback = (cotangents: unknown, options: VjpCallOptions = {}): unknown[] => {
        const { leaves: given, tree: givenTree } = flatten(cotangents);
        if (!sameTree(givenTree, tree)) {
          throw new RuntimeError(
            `Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. cotangents: ${treeText(givenTree)}, primal output: ${treeText(tree)}`,
          );
        }
        const grads = gradientsBelow(level, outputs, checkedCotangents(given, outputs), leaves, {
          createGraph: options.create_graph ?? is_grad_enabled(),
          retainGraph: options.retain_graph ?? true,
        });
        let next = 0;
        return trees.map((t, i) => {
          next += counts[i];
          return unflatten(t, grads.slice(next - counts[i], next));
        });
      };
      return { output: mapTree(returned, lower), pullback, aux: mapTree(extra, lower) };
    }),
  );
}

function checkedCotangents(given: readonly unknown[], outputs: readonly Tensor[]): Tensor[] {
  return given.map((g, i) => {
    const output = outputs[i];
    if (!is_tensor(g)) throw new TypeError(`gradients can be either Tensors or None, but got ${typeText(g)}`);
    if (g.sizes.length !== output.sizes.length || g.sizes.some((s, d) => s !== output.sizes[d])) {
      throw new RuntimeError(
        `Mismatch in shape: grad_output[${i}] has a shape of torch.Size(${shapeText(g.sizes)}) and output[${i}] has a shape of torch.Size(${shapeText(output.sizes)}).`,
      );
    }
    return g.dtype === output.dtype ? g : g.to(output.dtype);
  });
}

interface AuxOption {
  readonly has_aux?: boolean;
}

/** Primals, and the options that may follow them. */
export function splitOptions<A extends readonly unknown[]>(args: readonly unknown[]): { primals: A; hasAux: boolean } {
  const last = args[args.length - 1];
  const isOption =
    isPlainObject(last) && Object.keys(last).length === 1 && typeof (last as AuxOption).has_aux === "boolean";
  if (!isOption) return { primals: args as unknown as A, hasAux: false };
  return { primals: args.slice(0, -1) as unknown as A, hasAux: (last as { has_aux: boolean }).has_aux };
}

/** Multiplies with the Jacobian from the left: takes what has the structure of the result, gives a list with an entry for each primal. */
export type VjpFunction<A extends readonly unknown[], R> = (cotangents: R, options?: VjpCallOptions) => A;

/**
 * `[output, vjp_fn]`: the result of `func(...primals)`, and a function that takes what has the structure of the result
 * (cotangents) and gives for each primal the product with the Jacobian. With a last argument `{ has_aux: true }` `func`
 * returns `[output, aux]`, and so the result is `[output, vjp_fn, aux]`.
 */
export function vjp<A extends unknown[], R, X>(
  func: (...args: A) => readonly [R, X],
  ...args: [...primals: A, options: { readonly has_aux: true }]
): [R, VjpFunction<A, R>, X];
export function vjp<A extends unknown[], R>(func: (...args: A) => R, ...primals: A): [R, VjpFunction<A, R>];
export function vjp(func: AnyFunction, ...args: unknown[]): unknown[] {
  const { primals, hasAux } = splitOptions<unknown[]>(args);
  const { output, pullback, aux } = vjpOf(func, primals, [...primals.keys()], hasAux);
  return hasAux ? [output, pullback, aux] : [output, pullback];
}

/**
 * `[output, jvp_fn]`: the result of `func(...primals)`, and a function that multiplies tangents, one for each primal, with
 * the Jacobian at the primals without running `func` again. The products from the left are linear in what they are given,
 * so their own products from the left are those from the right (J. Townsend, 2017).
 */
export function linearize<A extends unknown[], R>(func: (...args: A) => R, ...primals: A): [R, (...tangents: A) => R] {
  const all = [...primals.keys()];
  const { leaves, tree } = flatten(primals);
  const { output, pullback } = vjpOf(func, primals, all, false);
  const seed = mapTree(output, (t) => (t as Tensor).detach().new_zeros((t as Tensor).sizes));
  const push = vjpOf((cotangents: unknown) => pullback(cotangents), [seed], [0], false).pullback;
  const along = (...tangents: A): R => {
    const { leaves: given, tree: givenTree } = flatten(tangents);
    if (!sameTree(givenTree, tree)) {
      throw new RuntimeError(
        `Expected the tangents ${treeText(givenTree)} to have the same argspec as the primals ${treeText(tree)}`,
      );
    }
    given.forEach((t, i) => {
      const primal = leaves[i] as Tensor;
      const tangent = t as Tensor;
      const differs = (what: string, a: unknown, b: unknown): RuntimeError =>
        new RuntimeError(
          `tangent:${i} with ${what} ${String(a)} in flattened pytree doesn't match the ${what} ${String(b)} of the corresponding primal.`,
        );
      if (shapeText(tangent.sizes) !== shapeText(primal.sizes)) {
        throw differs("shape", `torch.Size(${shapeText(tangent.sizes)})`, `torch.Size(${shapeText(primal.sizes)})`);
      }
      if (tangent.dtype !== primal.dtype) throw differs("dtype", tangent.dtype, primal.dtype);
    });
    return push([...tangents])[0] as R;
  };
  return [output as R, along];
}
