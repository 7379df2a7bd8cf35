/** `torch.autograd.forward_ad`: forward-mode differentiation, https://pytorch.org/docs/stable/autograd.html#forward-mode-automatic-differentiation */
import { gradMode, isForwardGradEnabled, NO_FORWARD_GRAD } from "../context/grad-mode.ts";
import { type Scope, scope } from "../context/scope.ts";
import { isThenable, ScopedValue } from "../context/scoped-value.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { describe } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { closeLevel, type DualLevel, openLevel } from "./dual-level.ts";
import { primalOf, setTangent, tangentOf } from "./tangents.ts";

const current = new ScopedValue<DualLevel | null>(null);

/**
 * A stretch in which tensors may have tangents, as callback or with `using`. Levels do not nest: for higher derivatives
 * there is `torch.func.jvp`.
 *
 * ```ts
 * import * as torch from "kindling";
 * const { dual_level, make_dual, unpack_dual } = torch.autograd.forward_ad;
 *
 * const x = torch.tensor([1.0, 2.5]);
 * const direction = torch.tensor([1.0, 0.5]);
 * dual_level(() => {
 *   const y = make_dual(x, direction).square().sum();
 *   console.log(unpack_dual(y).tangent?.item()); // → 4.5
 * });
 * ```
 */
export function dual_level(): Scope;
export function dual_level<R>(body: () => R): R;
export function dual_level(body?: () => unknown): unknown {
  if (body === undefined) return levelScope();
  if (typeof body !== "function") {
    throw new TypeError(`dual_level() takes a function to run, or nothing with \`using\`, not ${describe(body)}`);
  }
  const level = openOnlyLevel();
  let result: unknown;
  try {
    result = current.run(level, body);
  } catch (error) {
    closeLevel(level);
    throw error;
  }
  if (!isThenable(result)) {
    closeLevel(level);
    return result;
  }
  return Promise.resolve(result).finally(() => closeLevel(level));
}

function openOnlyLevel(): DualLevel {
  if (current.get()?.open) throw new RuntimeError("Nested forward mode AD is not supported at the moment");
  return openLevel();
}

/** What `dual_level()` gives: `using` enters it, and calling it with a function wraps that. */
function levelScope(): Scope {
  const wrap =
    (fn: (...args: unknown[]) => unknown) =>
    (...args: unknown[]): unknown =>
      dual_level(() => fn(...args));
  // `using` reads the method when the declaration runs, and calls it when the block ends.
  return Object.defineProperty(wrap, Symbol.dispose ?? Symbol.for("Symbol.dispose"), {
    get() {
      const level = openOnlyLevel();
      const leave = current.enter(level, "torch.autograd.forward_ad.dual_level()");
      return () => {
        closeLevel(level);
        leave();
      };
    },
  }) as unknown as Scope;
}

/** Opens the level by hand and returns its number, which is 0; `exit_dual_level` must follow. */
export function enter_dual_level(): number {
  current.set(openOnlyLevel());
  return 0;
}

/** Ends the level that `enter_dual_level` has opened, and deletes its tangents. */
export function exit_dual_level(options: { readonly level?: number | null } = {}): void {
  const level = current.get();
  const number = level?.open ? 0 : -1;
  if ((options.level ?? number) !== number) {
    throw new RuntimeError(
      "Trying to exit a forward AD level that was not the last one that was created. This is not supported.",
    );
  }
  if (!level?.open) throw new RuntimeError("Dual level must be a positive number.");
  closeLevel(level);
  current.set(null);
}

/**
 * A view of `tensor` with the tangent `tangent`, which has the same shape and is used as it is if it lies in memory as
 * the tensor does. Both may require gradients.
 */
export function make_dual(tensor: Tensor, tangent: Tensor, options: { readonly level?: number | null } = {}): Tensor {
  const level = current.get();
  const number = options.level ?? 0;
  if (!level?.open || number < 0) {
    throw new RuntimeError(
      "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first.",
    );
  }
  if (number > 0) throw new RuntimeError("Invalid level given to _make_dual");
  for (const [name, t] of [
    ["primal", tensor],
    ["tangent", tangent],
  ] as const) {
    if (!is_tensor(t)) throw new TypeError(`make_dual(): the ${name} must be a Tensor, not ${describe(t)}`);
    if (!t.is_floating_point()) {
      throw new ValueError(`Expected ${name} to be floating point or complex, but got: ${t.dtype}`);
    }
  }
  return makeDual(tensor, tangent, level);
}

/** The same at a given level. */
function makeDual(tensor: Tensor, tangent: Tensor, level: DualLevel): Tensor {
  if (tangentOf(tensor) !== null) {
    throw new RuntimeError(
      "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level 0 is not supported.",
    );
  }
  const dual = tensor.view_as(tensor);
  setTangent(dual, tangent, level);
  return dual;
}

/** A tensor's value and its tangent, null if it has none: an array of two with names. */
export type UnpackedDualTensor = readonly [primal: Tensor, tangent: Tensor | null] & {
  readonly primal: Tensor;
  readonly tangent: Tensor | null;
};

/** Takes a tensor apart: its value without tangent (a view), and the tangent as it is. */
export function unpack_dual(tensor: Tensor, options: { readonly level?: number | null } = {}): UnpackedDualTensor {
  if (!is_tensor(tensor)) {
    throw new TypeError(`_unpack_dual(): argument 'dual' (position 1) must be Tensor, not ${describe(tensor)}`);
  }
  const number = options.level ?? 0;
  if (!current.get()?.open || number < 0) return unpacked(tensor, null);
  const tangent = tangentOf(tensor);
  if (number > 0 && tangent !== null) throw new RuntimeError("Invalid level given to _fw_primal");
  return unpacked(viewableOf(tensor).view_as(tensor), tangent);
}

/** The tensor without its tangent, of which a view is one of the tensor's base. */
function viewableOf(tensor: Tensor): Tensor {
  const primal = primalOf(tensor);
  const view = tensor.viewInfo;
  // A view of a base with a tangent has a part of that.
  if (primal !== tensor && view !== null && tangentOf(view.base) === null) {
    primal.viewInfo = view;
    primal.gradFnVersion = tensor.gradFnVersion;
  }
  return primal;
}

function unpacked(primal: Tensor, tangent: Tensor | null): UnpackedDualTensor {
  return Object.assign([primal, tangent] as const, { primal, tangent });
}

/** Whether tangents are computed. */
export function _is_fwd_grad_enabled(): boolean {
  return isForwardGradEnabled();
}

/** Runs `body` with tangents computed, or not: then no tensor seems to have one. */
export function _set_fwd_grad_enabled(mode: boolean): Scope;
export function _set_fwd_grad_enabled<R>(mode: boolean, body: () => R): R;
export function _set_fwd_grad_enabled<R>(mode: boolean, body?: () => R): unknown {
  const next = (outside: number): number => (mode ? outside & ~NO_FORWARD_GRAD : outside | NO_FORWARD_GRAD);
  return scope(`torch.autograd.forward_ad._set_fwd_grad_enabled(${mode})`, gradMode, next, body);
}
