/**
 * `torch.no_grad` and its kin: scopes that say whether operations are recorded. `context/scope.ts` has the forms in which
 * each can be used, `context/scoped-value.ts` how they stay apart from each other across `await`.
 */
import { GRAD, gradMode, INFERENCE, withGrad } from "../context/grad-mode.ts";
import { type MemberContext, type Scope, scope, scopeOrStatement } from "../context/scope.ts";
import { describe } from "../shape.ts";

export type { Scope } from "../context/scope.ts";

/**
 * Runs `body` without recording, or, without `body`, gives a scope: `using _ = torch.no_grad()` until the end of the
 * block, `torch.no_grad()(fn)` for a function that always runs so. An async `body` is followed across its awaits.
 */
export function no_grad(): Scope;
export function no_grad<R>(body: () => R): R;
export function no_grad<F extends (this: never, ...args: never[]) => unknown>(method: F, context: MemberContext): F;
export function no_grad(body?: () => unknown, context?: MemberContext): unknown {
  return scope("torch.no_grad()", gradMode, (mode) => mode & ~GRAD, body, context);
}

/** Runs `body` with recording, also within `no_grad`. Without `body`, gives a scope, as `no_grad` does. */
export function enable_grad(): Scope;
export function enable_grad<R>(body: () => R): R;
export function enable_grad<F extends (this: never, ...args: never[]) => unknown>(method: F, context: MemberContext): F;
export function enable_grad(body?: () => unknown, context?: MemberContext): unknown {
  return scope("torch.enable_grad()", gradMode, (mode) => mode | GRAD, body, context);
}

/**
 * Turns recording on or off: for `body`, or at once. As a statement, `torch.set_grad_enabled(false)` holds until the end
 * of the innermost scope around it (of `no_grad`, say) or, outside of all scopes, for the whole program: other async
 * tasks too, unless they are in scopes of their own. With `using` it holds until the end of the block, and called with a
 * function it wraps that, as `no_grad` does.
 */
export function set_grad_enabled(mode: boolean | { readonly mode: boolean }): Scope;
export function set_grad_enabled<R>(mode: boolean, body: () => R): R;
export function set_grad_enabled(mode: boolean | { readonly mode: boolean }, body?: () => unknown): unknown {
  const enabled = flagOf("set_grad_enabled", mode);
  const name = `torch.set_grad_enabled(${enabled})`;
  const next = (outside: number): number => withGrad(outside, enabled);
  return scopeOrStatement({ name, variable: gradMode, next, body, statement: true });
}

/**
 * Like `no_grad`, and tensors made inside are inference tensors: outside they can be read, but neither changed nor saved
 * for backward. `inference_mode(false)` puts ordinary recording back. Without `body`, gives a scope, as `no_grad` does.
 */
export function inference_mode(mode?: boolean | { readonly mode?: boolean }): Scope;
export function inference_mode<R>(body: () => R): R;
export function inference_mode<R>(mode: boolean, body: () => R): R;
export function inference_mode<F extends (this: never, ...args: never[]) => unknown>(
  method: F,
  context: MemberContext,
): F;
export function inference_mode(mode: unknown = true, body?: unknown): unknown {
  if (typeof mode === "function") return inference(true, mode as () => unknown, body as MemberContext);
  return inference(flagOf("inference_mode", mode, true), body as () => unknown);
}

function inference(enabled: boolean, body?: () => unknown, context?: MemberContext): unknown {
  const name = enabled ? "torch.inference_mode()" : "torch.inference_mode(false)";
  return scope(name, gradMode, () => (enabled ? INFERENCE : GRAD), body, context);
}

function flagOf(name: string, mode: unknown, fallback?: boolean): boolean {
  const keyword = typeof mode === "object" && mode !== null && Object.getPrototypeOf(mode) === Object.prototype;
  const value = keyword ? ((mode as { mode?: unknown }).mode ?? fallback) : mode;
  if (typeof value !== "boolean") {
    throw new TypeError(`${name}(): argument 'mode' (position 1) must be bool, not ${describe(value)}`);
  }
  return value;
}
