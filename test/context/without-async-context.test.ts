/** A platform that cannot follow async functions, as browsers today: synchronous scopes work, async ones say why not. */
import assert from "node:assert/strict";
import { test } from "node:test";

Object.defineProperty(process, "getBuiltinModule", { value: undefined });
const { scope } = await import("../../src/context/scope.ts");
const { ScopedValue } = await import("../../src/context/scoped-value.ts");

const mode = new ScopedValue("outside");
const within = (body: () => unknown): unknown => scope("within()", mode, () => "inside", body);

test("synchronous scopes", () => {
  assert.equal(
    within(() => mode.get()),
    "inside",
  );
  assert.equal(mode.get(), "outside");
});

test("an async callback is refused, and its own rejection is not left unhandled", async () => {
  const refused = { name: "TypeError", message: /must not be async here: this platform has neither AsyncContext nor/ };
  assert.throws(() => within(async () => Promise.reject(new Error("unseen"))), refused);
  assert.throws(() => within(() => Promise.resolve(1)), refused);
  assert.equal(mode.get(), "outside");
  await new Promise((resolve) => setImmediate(resolve));
});
