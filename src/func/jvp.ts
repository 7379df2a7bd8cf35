/** Products with Jacobians, from the right: `torch.func.jvp`. https://pytorch.org/docs/stable/generated/torch.func.jvp.html */
import { closeLevel, openLevel } from "../autograd/dual-level.ts";
import { setTangent, tangentOf } from "../autograd/tangents.ts";
import { RuntimeError } from "../errors.ts";
import { zeros_like } from "../ops/creation.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { wrapAutograd } from "../wrapping.ts";
import { AutogradLevel } from "./autograd-level.ts";
import { type AnyFunction, splitAux, typeText } from "./grad.ts";
import { synchronous } from "./level.ts";
import { flatten, mapTree, sameTree, treeSpecText, unflatten } from "./pytree.ts";
import { checkOutputs } from "./vjp.ts";

const API = "jvp(f, primals, tangents)";

export interface JvpOptions {
  /** Refuse results that do not depend on the primals, rather than give them tangents of zeros. Default false. */
  readonly strict?: boolean;
  /** The function returns `[output, aux]`. Default false. */
  readonly has_aux?: boolean;
}

function checkTensors(leaves: readonly unknown[], what: string): readonly Tensor[] {
  if (leaves.length === 0) throw new RuntimeError(`${API}: Expected ${what} to contain at least one Tensor.`);
  for (const leaf of leaves) {
    if (!is_tensor(leaf)) {
      throw new RuntimeError(`${API}: Expected ${what} to only contain Tensors, got ${typeText(leaf)}`);
    }
  }
  return leaves as readonly Tensor[];
}

export interface Jvp {
  readonly output: unknown;
  readonly tangent: unknown;
  readonly aux: unknown;
}

/** `jvp` along `tangents`, one for each of the arguments `numbers`. */
export function jvpOf(
  func: AnyFunction,
  primals: readonly unknown[],
  tangents: readonly unknown[],
  numbers: readonly number[],
  { strict = false, has_aux = false }: JvpOptions,
): Jvp {
  const moved = numbers.map((n) => primals[n]);
  const { leaves: primalLeaves, tree } = flatten(moved);
  const { leaves: tangentLeaves, tree: tangentTree } = flatten(tangents);
  if (!sameTree(tree, tangentTree)) {
    throw new RuntimeError(
      `${API}: Expected primals and tangents to have the same python structure. For example, if primals is a tuple of 3 tensors, tangents also must be. Got primals with structure ${treeSpecText(tree)} and tangents with structure ${treeSpecText(tangentTree)}`,
    );
  }
  const points = checkTensors(primalLeaves, "primals");
  const directions = checkTensors(tangentLeaves, "tangents");
  const level = new AutogradLevel();
  const direction = openLevel();
  try {
    return level.run(() => {
      const duals = points.map((point, i) => {
        const dual = wrapAutograd(point, level);
        setTangent(dual, wrapAutograd(directions[i], level), direction);
        return dual;
      });
      const structured = unflatten(tree, duals) as unknown[];
      const args = primals.map((p, n) => (numbers.includes(n) ? structured[numbers.indexOf(n)] : p));
      const result = synchronous("jvp", func(...(args as never[])));
      const [returned, extra] = splitAux(API, result, has_aux);
      const { leaves, tree: outputTree } = flatten(returned);
      const along = checkOutputs(leaves, API).map((t) => {
        const tangent = level.unwrapped(t) === t ? null : tangentOf(t);
        if (tangent !== null) return level.unwrapped(tangent);
        if (strict) {
          throw new RuntimeError(
            "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is not allowed with strict=True.",
          );
        }
        return zeros_like(level.unwrapped(t));
      });
      const lower = (x: unknown): unknown => (is_tensor(x) ? level.unwrapped(x) : x);
      return {
        output: mapTree(returned, lower),
        tangent: unflatten(outputTree, along),
        aux: mapTree(extra, lower),
      };
    });
  } finally {
    closeLevel(direction);
  }
}

/**
 * `[output, tangent]`: the result of `func(...primals)` and its derivative along `tangents`, one for each primal. With
 * `has_aux`, `func` returns `[output, aux]`, and so the result is `[output, tangent, aux]`.
 */
export function jvp<A extends unknown[], R, X>(
  func: (...args: A) => readonly [R, X],
  primals: readonly [...A],
  tangents: readonly [...A],
  options: JvpOptions & { readonly has_aux: true },
): [R, R, X];
export function jvp<A extends unknown[], R>(
  func: (...args: A) => R,
  primals: readonly [...A],
  tangents: readonly [...A],
  options?: JvpOptions,
): [R, R];
export function jvp(
  func: AnyFunction,
  primals: readonly unknown[],
  tangents: readonly unknown[],
  options: JvpOptions = {},
): unknown[] {
  if (!Array.isArray(primals)) {
    throw new RuntimeError(`${API}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals).`);
  }
  const { output, tangent, aux } = jvpOf(func, primals, tangents, [...primals.keys()], options);
  return options.has_aux ? [output, tangent, aux] : [output, tangent];
}
