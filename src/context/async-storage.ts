/**
 * A value that follows a program across `await`: the platform's `AsyncContext.Variable`, or `AsyncLocalStorage` in Node
 * (from 20.16), Deno and Bun. Browsers have neither yet.
 */

export interface AsyncStorage<T> {
  /** The value with which the running code was started; undefined outside of every `run`. */
  get(): T | undefined;
  /** Runs `body`, and whatever it starts and awaits, with `value`. */
  run<R>(value: T, body: () => R): R;
}

interface Platform {
  readonly AsyncContext?: { readonly Variable: new <T>() => AsyncStorage<T> };
  readonly process?: {
    readonly getBuiltinModule?: (name: string) =>
      | {
          readonly AsyncLocalStorage: new <T>() => {
            getStore(): T | undefined;
            run<R>(value: T, body: () => R): R;
          };
        }
      | undefined;
  };
}

/** A new storage, or null where the platform has none. */
export function makeAsyncStorage<T>(): AsyncStorage<T> | null {
  const platform = globalThis as unknown as Platform;
  if (typeof platform.AsyncContext?.Variable === "function") return new platform.AsyncContext.Variable<T>();
  const module = platform.process?.getBuiltinModule?.("node:async_hooks");
  if (typeof module?.AsyncLocalStorage !== "function") return null;
  const storage = new module.AsyncLocalStorage<T>();
  return { get: () => storage.getStore(), run: (value, body) => storage.run(value, body) };
}
