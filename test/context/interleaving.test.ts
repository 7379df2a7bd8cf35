/**
 * Random programs of async tasks that run at the same time and enter scopes of two values in every form, synchronous and
 * async, nested in each other. Wherever one of them looks, it must see what the scopes around it in its own text say.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { scope } from "../../src/context/scope.ts";
import { ScopedValue } from "../../src/context/scoped-value.ts";

const values = [new ScopedValue("base0"), new ScopedValue("base1")];

/** The scopes around a piece of a program, as its text nests them. */
interface Surroundings {
  readonly owner: number;
  value: string;
  readonly outer: Surroundings | null;
  over: boolean;
}

let base: string[];

function expected(owner: number, around: Surroundings | null): string {
  for (let at = around; at !== null; at = at.outer) if (at.owner === owner && !at.over) return at.value;
  return base[owner];
}

class Program {
  checks = 0;
  readonly background: Promise<unknown>[] = [];
  private state: number;
  private serial = 0;
  constructor(seed: number) {
    this.state = seed * 2654435761 + 1;
  }
  random(n: number): number {
    this.state = (Math.imul(this.state, 1103515245) + 12345) & 0x7fffffff;
    return (this.state >> 8) % n;
  }

  check(around: Surroundings | null): void {
    this.checks++;
    for (const owner of [0, 1]) assert.equal(values[owner].get(), expected(owner, around));
  }

  enter(outer: Surroundings | null): Surroundings {
    return { owner: this.random(2), value: `value${this.serial++}`, outer, over: false };
  }

  scope<R>(inner: Surroundings, body: () => R): R {
    return scope("test", values[inner.owner], () => inner.value, body) as R;
  }

  /** Some statements of a synchronous function. */
  sync(around: Surroundings | null, depth: number): void {
    const count = 1 + this.random(3);
    for (let i = 0; i < count; i++) {
      this.check(around);
      const inner = this.enter(around);
      switch (depth === 0 ? 9 : this.random(8)) {
        case 0:
          this.scope(inner, () => this.sync(inner, depth - 1));
          inner.over = true;
          break;
        case 1:
          values[inner.owner].runSync(inner.value, () => this.sync(inner, depth - 1));
          inner.over = true;
          break;
        case 2: {
          using _ = scope("test", values[inner.owner], () => inner.value, undefined) as Disposable;
          this.sync(inner, depth - 1);
          inner.over = true;
          break;
        }
        case 3:
          try {
            this.scope(inner, () => {
              this.sync(inner, depth - 1);
              throw new RangeError("expected");
            });
          } catch (error) {
            inner.over = true;
            if (!(error instanceof RangeError)) throw error;
          }
          break;
        case 4: // starts an async scope and does not wait for it
          this.background.push(this.scope(inner, () => this.task(inner, depth - 1)));
          break;
        case 5: // something that runs later, wherever this code stands
          this.background.push(
            new Promise<void>((resolve, reject) =>
              this.later(() => {
                try {
                  this.sync(around, depth - 1);
                  resolve();
                } catch (error) {
                  reject(error);
                }
              }),
            ),
          );
          break;
        case 6: {
          // A statement changes the innermost scope of that value.
          if (around === null) break;
          let at: Surroundings | null = around;
          while (at !== null && (at.owner !== inner.owner || at.over)) at = at.outer;
          if (at === null) break;
          at.value = inner.value;
          values[inner.owner].set(inner.value);
          break;
        }
        case 7: {
          const wrapped = (scope("test", values[inner.owner], () => inner.value, undefined) as CallableFunction)(() =>
            this.sync(inner, depth - 1),
          ) as () => void;
          wrapped();
          inner.over = true;
          break;
        }
        default:
          break;
      }
      this.check(around);
    }
  }

  later(body: () => void): void {
    const how = [setImmediate, queueMicrotask, process.nextTick, (f: () => void) => setTimeout(f, 0)];
    how[this.random(4)](body);
  }

  pause(): Promise<void> {
    return this.random(3) === 0 ? Promise.resolve() : new Promise((resolve) => this.later(resolve));
  }

  /** Some statements of an async function. */
  async task(around: Surroundings | null, depth: number): Promise<void> {
    const count = 1 + this.random(4);
    for (let i = 0; i < count; i++) {
      this.check(around);
      const inner = this.enter(around);
      switch (depth === 0 ? 0 : this.random(8)) {
        case 0:
          await this.pause();
          break;
        case 1:
          this.sync(around, depth - 1);
          break;
        case 2:
          await this.scope(inner, async () => {
            await this.task(inner, depth - 1);
          });
          break;
        case 3: // a function that returns a promise without being async
          await this.scope(inner, () => this.task(inner, depth - 1));
          break;
        case 4:
          await assert.rejects(
            this.scope(inner, async () => {
              await this.task(inner, depth - 1);
              throw new RangeError("expected");
            }),
            RangeError,
          );
          break;
        case 5:
          await Promise.all([this.task(around, depth - 1), this.scope(inner, () => this.task(inner, depth - 1))]);
          break;
        case 6:
          for await (const _ of this.steps(around)) this.check(around);
          break;
        case 7:
          this.background.push(this.scope(inner, () => this.task(inner, depth - 1)));
          break;
      }
      this.check(around);
    }
  }

  async *steps(around: Surroundings | null): AsyncGenerator<number> {
    for (let i = 0; i < 2; i++) {
      await this.pause();
      this.check(around);
      yield i;
      this.check(around);
    }
  }
}

test("scopes of interleaved tasks see what their own text says", { timeout: 60_000 }, async () => {
  let checks = 0;
  for (let seed = 0; seed < 120; seed++) {
    base = ["base0", "base1"].map((text) => `${text} of ${seed}`);
    values.forEach((value, i) => {
      value.set(base[i]);
    });
    const program = new Program(seed);
    await Promise.all([1, 2, 3].map(() => program.task(null, 4)));
    for (let i = 0; i < program.background.length; i++) await program.background[i];
    program.check(null);
    checks += program.checks;
  }
  assert.ok(checks > 20_000, `${checks} checks`);
});
