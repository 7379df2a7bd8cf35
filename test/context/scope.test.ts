/** The forms of a scope, and what becomes of a `using` block that is suspended. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type MemberContext, type Scope, scope } from "../../src/context/scope.ts";
import { ScopedValue } from "../../src/context/scoped-value.ts";

const level = new ScopedValue(0);
function deeper(): Scope;
function deeper<R>(body: () => R): R;
function deeper(body?: () => unknown, context?: MemberContext): unknown {
  return scope("deeper()", level, (outside) => outside + 1, body, context);
}
const suspended = { name: "RuntimeError", message: /was suspended, by an await or a yield.*await deeper\(async/ };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("forms of a scope", () => {
  test("a scope object does nothing before it is used, and can be used again", () => {
    const object = deeper();
    assert.equal(level.get(), 0);
    for (let i = 0; i < 2; i++) {
      using _ = object;
      assert.equal(level.get(), 1);
      {
        using _again = object;
        assert.equal(level.get(), 2);
      }
      assert.equal(level.get(), 1);
    }
    assert.equal(level.get(), 0);
  });

  test("a wrapped function keeps this, arguments, name, and enters the scope at each call", async () => {
    const wrapped = deeper()(function add(this: { base: number }, a: number, b: number) {
      return [this.base + a + b, level.get()];
    });
    assert.deepEqual(wrapped.call({ base: 1 }, 2, 3), [6, 1]);
    assert.deepEqual(
      deeper(() => wrapped.call({ base: 1 }, 2, 3)),
      [6, 2],
    );
    assert.equal(wrapped.name, "add");
    assert.equal(wrapped.length, 2);
    const later = deeper()(async (n: number) => {
      await turn();
      return level.get() * n;
    });
    assert.deepEqual(await Promise.all([later(1), deeper(() => later(10)), later(100)]), [1, 20, 100]);
    assert.equal(level.get(), 0);
  });

  test("as a decorator of methods, with and without parentheses", () => {
    const context = { kind: "method", name: "f" } as const;
    const method = function (this: unknown): unknown[] {
      return [this, level.get()];
    };
    const self = {};
    assert.deepEqual(deeper()(method, context).call(self), [self, 1]);
    const bare = (deeper as unknown as (f: typeof method, c: MemberContext) => typeof method)(method, context);
    assert.deepEqual(bare.call(self), [self, 1]);
    assert.throws(() => deeper()(class {} as never, { kind: "class", name: "A" }), TypeError);
    assert.throws(() => deeper()(class {} as never), { name: "RuntimeError", message: /Cannot decorate classes/ });
    assert.throws(() => deeper()(3 as never), { name: "TypeError", message: /wraps functions and methods, not int/ });
    assert.throws(() => deeper(3 as never), TypeError);
  });

  test("a generator runs in the scope, its consumer does not", async () => {
    const numbers = deeper()(function* (n: number) {
      try {
        for (let i = 0; i < n; i++) yield [i, level.get()];
      } finally {
        seen.push(level.get());
      }
    });
    const seen: number[] = [];
    for (const [i, inside] of numbers(3)) {
      seen.push(inside, level.get());
      if (i === 1) break;
    }
    assert.deepEqual(seen, [1, 0, 1, 0, 1]);
    const later = deeper()(async function* () {
      await turn();
      const reply: number = yield level.get();
      await turn();
      return reply + level.get();
    });
    const steps = later();
    assert.deepEqual(await steps.next(), { value: 1, done: false });
    assert.equal(level.get(), 0);
    assert.deepEqual(await steps.next(10), { value: 11, done: true });
  });

  test("a thenable that starts late runs in the scope", async () => {
    const lazy = { then: (resolve: (value: number) => void) => setImmediate(() => resolve(level.get())) };
    assert.equal(await deeper(() => lazy as unknown as Promise<number>), 1);
  });

  test("an async scope keeps its own scopes, errors and children", async () => {
    let child: Promise<number> | undefined;
    await assert.rejects(
      deeper(async () => {
        child = turn()
          .then(turn)
          .then(() => level.get());
        await turn();
        throw new RangeError("expected");
      }),
      RangeError,
    );
    assert.equal(level.get(), 0);
    assert.equal(await child, 1, "what the callback started stays in its scope");
    const left = deeper(() => [turn().then(() => level.get())]);
    assert.equal(await left[0], 0, "a synchronous callback's scope ends when it returns");
  });
});

describe("a using block that is suspended", () => {
  test("by an await: others see the outer value, and its end throws", async () => {
    let resume = (): void => {};
    async function wrong(): Promise<void> {
      using _ = deeper();
      assert.equal(level.get(), 1);
      await new Promise<void>((resolve) => (resume = resolve));
      assert.equal(level.get(), 0);
    }
    const promise = wrong();
    await null;
    assert.equal(level.get(), 0);
    deeper(() => assert.equal(level.get(), 1));
    resume();
    await assert.rejects(promise, suspended);
    assert.equal(level.get(), 0);
  });

  test("within the scopes of others", async () => {
    async function wrong(): Promise<void> {
      using _ = deeper();
      await turn();
    }
    let inner: Promise<void> | undefined;
    await deeper(async () => {
      await turn();
      inner = wrong();
      inner.catch(() => {});
      await null;
      assert.equal(level.get(), 1);
    });
    await assert.rejects(inner as Promise<void>, suspended);
    deeper(() => {
      deeper(() => {
        inner = wrong();
      });
      // The callback in which the block began has returned, so the block has been left.
      assert.equal(level.get(), 1);
    });
    assert.equal(level.get(), 0);
    await assert.rejects(inner as Promise<void>, suspended);
  });

  test("several at once, and one that comes too late", async () => {
    async function wrong(): Promise<void> {
      using _ = deeper();
      using _inner = deeper();
      await turn();
    }
    const promises = [wrong(), wrong(), Promise.resolve().then(wrong)];
    const right = (async () => {
      await null;
      await null;
      return deeper(() => level.get());
    })();
    for (const promise of promises) await assert.rejects(promise);
    assert.equal(await right, 1);
    assert.equal(level.get(), 0);
  });

  test("by a yield, when it is resumed in another turn", async () => {
    function* wrong(): Generator<number> {
      using _ = deeper();
      yield level.get();
      yield level.get();
    }
    assert.deepEqual([...wrong()], [1, 1]);
    const steps = wrong();
    assert.equal(steps.next().value, 1);
    await null;
    assert.equal(level.get(), 0);
    steps.next();
    assert.throws(() => steps.next(), suspended);
  });

  test("blocks in the pieces between awaits are right", async () => {
    const task = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) {
        {
          using _ = deeper();
          assert.equal(level.get(), 1);
        }
        await turn();
        assert.equal(level.get(), 0);
      }
    };
    await Promise.all([task(), task()]);
    await deeper(async () => {
      await turn();
      {
        using _ = deeper();
        assert.equal(level.get(), 2);
      }
      await turn();
      assert.equal(level.get(), 1);
    });
  });

  test("blocks may end in any order within one turn", () => {
    const outer = deeper()[Symbol.dispose];
    const inner = deeper()[Symbol.dispose];
    assert.equal(level.get(), 2);
    outer();
    assert.equal(level.get(), 2);
    inner();
    assert.equal(level.get(), 0);
    inner();
    assert.equal(level.get(), 0);
  });
});

test("set holds until the end of the innermost scope, and outside of all for the program", async () => {
  level.set(5);
  const seen: number[] = [];
  const task = deeper(async () => {
    await turn();
    level.set(20);
    await turn();
    seen.push(level.get());
  });
  deeper(() => {
    level.set(30);
    seen.push(level.get());
  });
  seen.push(level.get());
  await task;
  seen.push(level.get());
  level.set(0);
  assert.deepEqual(seen, [30, 5, 20, 5]);
});
