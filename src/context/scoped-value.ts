/**
 * Values that hold within a scope: whether operations are recorded, who sees what is dispatched, which hooks saved
 * tensors go through. Every switch of the library that a scope turns is a `ScopedValue`, so all of them behave alike
 * where scopes nest, throw, await, or interleave.
 *
 *   const verbose = new ScopedValue(false);
 *   verbose.get();                              // where it is needed: a plain read in the ordinary case
 *   verbose.runSync(true, () => …);             // inside the library, where the body is known to be synchronous
 *   verbose.run(true, body);                    // for a user's callback, which may be async
 *   scope("verbose", verbose, () => true, body) // a public function as torch.no_grad is: see scope.ts
 *
 * A scope is a frame that refers to the one around it. Synchronous code cannot be interrupted, so what its scopes say is
 * kept as a plain field of each value, put back when they end. A callback that returns a promise goes on later, between
 * pieces of other tasks: its frame travels in the platform's async storage, and only while such frames exist does
 * reading a value have to ask there. What a callback starts (timers, promises that it does not await) belongs to its
 * scope as long as it runs, if the callback is async; the scope of a callback that returned something else is over.
 */
import { RuntimeError } from "../errors.ts";
import { type AsyncStorage, makeAsyncStorage } from "./async-storage.ts";

/** One entered scope. */
interface Frame {
  /** The `ScopedValue` that it sets. */
  readonly owner: ScopedValue<never>;
  value: unknown;
  /** The scope around it, which may be an async one that is suspended elsewhere. */
  readonly parent: Frame | null;
  /** The scope below it on the stack of synchronous scopes. */
  readonly below: Frame | null;
  /** Ended scopes are looked through. */
  ended: boolean;
  /** For a guard: what to call it in errors. Null for a callback's scope. */
  readonly guard: string | null;
  /** The stack of calls in which a guard was made is over, and the guard is not. */
  escaped: boolean;
}

/** The innermost scope of the synchronous code that runs now. */
let top: Frame | null = null;
/** How many frames of async callbacks something can still refer to: a suspended function, a timer. */
let asyncScopes = 0;
let storage: AsyncStorage<Frame> | null | undefined;
const unreachable = new FinalizationRegistry<null>(() => {
  asyncScopes--;
});

function asyncStorage(): AsyncStorage<Frame> | null {
  if (storage === undefined) storage = makeAsyncStorage();
  return storage;
}

/** The scope of the code that runs now. While synchronous scopes are on the stack, nothing outside of them can run. */
function currentFrame(): Frame | null {
  return top !== null || asyncScopes === 0 ? top : (storage?.get() ?? null);
}

export class ScopedValue<T> {
  /** Outside of all scopes. */
  #base: T;
  /** What the synchronous scopes on the stack say. */
  private plain: T;

  constructor(initial: T) {
    this.#base = initial;
    this.plain = initial;
  }

  /** The value in the innermost scope. */
  get(): T {
    return asyncScopes === 0 ? this.plain : this.find(currentFrame());
  }

  /**
   * Changes the value in the innermost scope of this value until that ends, and outside of all scopes for the whole
   * program.
   */
  set(value: T): void {
    const frame = this.innermost(currentFrame());
    if (frame === null) this.#base = value;
    else frame.value = value;
    this.plain = this.find(top);
  }

  /**
   * Runs `body` with `value`. If it returns a promise, `value` holds in all of the async function and in what it
   * starts, whatever runs in between. Throws where the platform cannot follow async functions.
   */
  run<R>(value: T, body: () => R): R {
    const async = asyncStorage();
    const frame = this.push(value, null);
    let result: R;
    try {
      result = async === null ? body() : async.run(frame, body);
    } catch (error) {
      frame.ended = true;
      throw error;
    } finally {
      this.pop(frame);
    }
    if (!isThenable(result)) {
      frame.ended = true;
      return result;
    }
    if (async === null) {
      frame.ended = true;
      // The error below is the one to see, not the rejection that may follow from it.
      result.then(undefined, () => {});
      throw new TypeError(
        "The callback of a mode must not be async here: this platform has neither AsyncContext nor AsyncLocalStorage, so the mode could not be kept apart from other code across an await. Await outside of the callback, or use Node 20.16 or newer, Deno or Bun",
      );
    }
    asyncScopes++;
    unreachable.register(frame, null);
    // A thenable of another kind may start its work only when it is awaited: that belongs to the scope too.
    return result instanceof Promise ? result : (async.run(frame, () => Promise.resolve(result)) as R);
  }

  /** Runs `body`, which does not await, with `value`. */
  runSync<R>(value: T, body: () => R): R {
    const frame = this.push(value, null);
    try {
      return body();
    } finally {
      frame.ended = true;
      this.pop(frame);
    }
  }

  /**
   * Enters a scope that lasts until the returned function is called, as `using` does at the end of a block. A block that
   * awaits or yields lets go of the stack that its scope lies on: from then on the value is what it was outside, and the
   * returned function throws. `name` is what the error calls the scope.
   */
  enter(value: T, name: string): () => void {
    const frame = this.push(value, name);
    checkGuardsLater();
    return () => {
      if (frame.escaped) throw escapedError(name);
      if (frame.ended) return;
      frame.ended = true;
      dropEnded();
      this.plain = this.find(top);
    };
  }

  private push(value: T, guard: string | null): Frame {
    const frame: Frame = {
      owner: this as unknown as ScopedValue<never>,
      value,
      parent: currentFrame(),
      below: top,
      ended: false,
      guard,
      escaped: false,
    };
    top = frame;
    this.plain = value;
    return frame;
  }

  /** Takes a callback's scope off the stack, and with it guards that were made in it and not left. */
  private pop(frame: Frame): void {
    while (top !== null && top !== frame) abandon(top);
    top = frame.below;
    dropEnded();
    this.plain = this.find(top);
  }

  private innermost(from: Frame | null): Frame | null {
    let frame = from;
    while (frame !== null && (frame.ended || frame.owner !== (this as unknown))) frame = frame.parent;
    return frame;
  }

  private find(from: Frame | null): T {
    const frame = this.innermost(from);
    return frame === null ? this.#base : (frame.value as T);
  }

  /** @internal After the top of the stack has changed. */
  refresh(): void {
    this.plain = this.find(top);
  }
}

/** Removes a guard from the top of the stack whose block is suspended. */
function abandon(frame: Frame): void {
  frame.escaped = !frame.ended;
  frame.ended = true;
  top = frame.below;
  frame.owner.refresh();
}

function dropEnded(): void {
  while (top?.ended) {
    const { owner } = top;
    top = top.below;
    owner.refresh();
  }
}

let checkPending = false;

/** When the code that runs now has returned to the event loop, every guard still there has been left behind. */
function checkGuardsLater(): void {
  if (checkPending) return;
  checkPending = true;
  queueMicrotask(() => {
    checkPending = false;
    while (top !== null && top.guard !== null) abandon(top);
  });
}

function escapedError(name: string): RuntimeError {
  return new RuntimeError(
    `The block of \`using _ = ${name}\` was suspended, by an await or a yield, before it ended. A block cannot be followed across that, so after it the mode was what it is outside of the block. Use \`await ${name.replace(/\)$/, name.endsWith("()") ? "" : ", ")}async () => { … })\` instead, which can`,
  );
}

export function isThenable(x: unknown): x is PromiseLike<unknown> {
  return typeof x === "object" && x !== null && typeof (x as { then?: unknown }).then === "function";
}
