/** A platform that has AsyncContext (https://github.com/tc39/proposal-async-context), here made from Node's AsyncLocalStorage. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";

let made = 0;
class Variable<T> {
  readonly #storage = new AsyncLocalStorage<T>();
  constructor() {
    made++;
  }
  get(): T | undefined {
    return this.#storage.getStore();
  }
  run<R>(value: T, body: () => R): R {
    return this.#storage.run(value, body);
  }
}
Object.defineProperty(globalThis, "AsyncContext", { value: { Variable } });
Object.defineProperty(process, "getBuiltinModule", { value: undefined });
const torch = await import("../../src/index.ts");

test("modes follow async functions through it", async () => {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const seen: boolean[] = [];
  const tasks = [torch.no_grad, torch.enable_grad, torch.no_grad].map((mode) =>
    mode(async () => {
      for (let i = 0; i < 3; i++) {
        await turn();
        seen.push(torch.is_grad_enabled());
      }
    }),
  );
  assert.equal(torch.is_grad_enabled(), true);
  await Promise.all(tasks);
  assert.deepEqual(seen, [false, true, false, false, true, false, false, true, false]);
  assert.equal(torch.is_grad_enabled(), true);
  assert.equal(made, 1);
});
