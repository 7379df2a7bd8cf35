/**
 * What PyTorch has as context managers: `torch.no_grad`, `torch.autograd.detect_anomaly`, and so on. One function serves
 * all forms, and every form is correct across `await` or says that it cannot be:
 *
 *   torch.no_grad(() => …)                  runs the callback; `await torch.no_grad(async () => …)` if it is async
 *   using _ = torch.no_grad();              until the end of the block, which must not await
 *   const evaluate = torch.no_grad()(fn);   a function that runs `fn` so, whenever it is called: PyTorch's decorator
 *   @torch.no_grad()                        the same for a method of a class, with or without `()`
 */
import { RuntimeError } from "../errors.ts";
import { describe } from "../shape.ts";
import type { ScopedValue } from "./scoped-value.ts";

type AnyFunction = (this: never, ...args: never[]) => unknown;

/** What a decorator of a class's member is given beside it. */
export interface MemberContext {
  readonly kind: "method" | "getter" | "setter" | "field" | "accessor" | "class";
  readonly name: string | symbol | undefined;
}

/**
 * A scope that can be entered: by `using`, until the end of the block, or by calling it with a function, which gives a
 * function that runs in the scope. By itself it does nothing.
 */
export interface Scope extends Disposable {
  <F extends AnyFunction>(fn: F, context?: MemberContext): F;
}

/** How scopes of one kind set their value. */
interface Setting<T> {
  /** What errors call it: `torch.no_grad()`. */
  readonly name: string;
  readonly variable: ScopedValue<T>;
  /** The value inside, given the one outside. */
  readonly next: (outside: T) => T;
  /** Called before the first use of a scope. */
  readonly prepare: (() => void) | null;
}

/**
 * A public scope function: with `body` it runs that and returns its result, without it returns a `Scope`.
 * `name` is what errors call it, such as `torch.no_grad()`; `next` makes the value inside from the one outside.
 */
export function scope<T, R>(
  name: string,
  variable: ScopedValue<T>,
  next: (outside: T) => T,
  body: (() => R) | undefined,
  context?: MemberContext,
): R | Scope {
  if (body === undefined) return makeScope({ name, variable, next, prepare: null });
  if (typeof body !== "function") {
    throw new TypeError(`${name} takes a function to run, or nothing with \`using\`, not ${describe(body)}`);
  }
  const setting = { name, variable, next, prepare: null };
  return isMemberContext(context) ? (wrapped(setting, body, context) as R) : runIn(setting, body);
}

/**
 * Like `scope`; where `statement` is set and there is no `body`, the value holds at once: until the end of the innermost
 * scope of `variable`, or of the program. If the result is then used as a scope, it was no statement, and around that all
 * is as it was.
 */
export function scopeOrStatement<T>(call: {
  readonly name: string;
  readonly variable: ScopedValue<T>;
  readonly next: (outside: T) => T;
  readonly body: (() => unknown) | undefined;
  readonly statement: boolean;
}): unknown {
  const { name, variable, next, body, statement } = call;
  if (body !== undefined || !statement) return scope(name, variable, next, body);
  const before = variable.get();
  variable.set(next(before));
  return makeScope({ name, variable, next, prepare: () => variable.set(before) });
}

/** A scope object. */
function makeScope<T>(setting: Setting<T>): Scope {
  const self = (fn: unknown, context?: MemberContext): unknown => wrapped(prepared(self), fn, context);
  self.setting = setting;
  // A closure with a prototype of its own: a property defined on each costs more.
  return Object.setPrototypeOf(self, scopePrototype) as Scope;
}

const scopePrototype = Object.create(Function.prototype, {
  // `using` reads the method when the declaration runs, and calls it when the block ends: reading it enters the scope.
  [Symbol.dispose ?? Symbol.for("Symbol.dispose")]: {
    get(this: { setting: Setting<unknown> }) {
      const { variable, next, name } = prepared(this);
      return variable.enter(next(variable.get()), name);
    },
  },
});

function prepared<T>(scope: { setting: Setting<T> }): Setting<T> {
  const { setting } = scope;
  if (setting.prepare !== null) {
    setting.prepare();
    scope.setting = { ...setting, prepare: null };
  }
  return scope.setting;
}

function isMemberContext(x: unknown): x is MemberContext {
  return typeof x === "object" && x !== null && typeof (x as { kind?: unknown }).kind === "string";
}

function runIn<T, R>({ variable, next }: Setting<T>, body: () => R): R {
  const result = variable.run(next(variable.get()), body);
  if (!isGenerator(result)) return result;
  // A generator's body runs when it is resumed, and only then.
  const resumed = Object.create(Object.getPrototypeOf(result)) as Generator<unknown>;
  for (const method of ["next", "return", "throw"] as const) {
    Object.defineProperty(resumed, method, {
      value: (...args: [unknown]) => variable.run(next(variable.get()), () => result[method](...(args as [never]))),
      configurable: true,
      writable: true,
    });
  }
  return resumed as R;
}

function isGenerator(x: unknown): x is Generator<unknown> {
  if (typeof x !== "object" || x === null || typeof (x as { throw?: unknown }).throw !== "function") return false;
  return /^\[object (Async)?Generator\]$/.test(Object.prototype.toString.call(x));
}

/** A function that runs `fn` in the scope, with the same `this` and name. */
function wrapped<T>(setting: Setting<T>, fn: unknown, context?: MemberContext): unknown {
  if (typeof fn !== "function" || context?.kind === "class" || context?.kind === "accessor") {
    const what = context === undefined ? describe(fn) : `a ${context.kind}`;
    throw new TypeError(`${setting.name} wraps functions and methods, not ${what}`);
  }
  if (/^class\b/.test(Function.prototype.toString.call(fn))) {
    throw new RuntimeError(
      "Cannot decorate classes; it is ambiguous whether or not only the constructor or all methods should have the context manager applied. To specify which methods to decorate, decorate each of them individually.",
    );
  }
  function inScope(this: unknown, ...args: unknown[]): unknown {
    return runIn(setting, () => (fn as (...all: unknown[]) => unknown).apply(this, args));
  }
  Object.defineProperty(inScope, "name", { value: fn.name, configurable: true });
  Object.defineProperty(inScope, "length", { value: fn.length, configurable: true });
  return inScope;
}
