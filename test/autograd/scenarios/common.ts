/**
 * What the scenarios share. A scenario is a small program that logs what it sees: values, flags, names and errors.
 * `golden/AREA.json` has what PyTorch logs in the function of the same name in tools/golden-autograd/AREA.py.
 */
import type { FunctionCtx } from "../../../src/autograd/function.ts";
import * as torch from "../../../src/index.ts";

export type Tensor = torch.Tensor;
/** Adds to the log of a scenario. */
export type Log = (...values: unknown[]) => void;
export type Node = NonNullable<Tensor["grad_fn"]>;

export function plain(x: unknown): unknown {
  if (torch.is_tensor(x)) return x.tolist();
  if (Array.isArray(x)) return x.map(plain);
  return x === undefined ? null : x;
}

/** The value of `f()`, or its error: class and first sentence. */
export function attempt(f: () => unknown): unknown {
  try {
    return plain(f());
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return `${error.name}: ${error.message.split(/(?<=[a-z\])])\. | Hint:/)[0].replace(/\.+$/, "")}`;
  }
}

export const short = (n: Node | null): string | null => n?.name().replace("torch::autograd::", "") ?? null;
export const node = (t: Tensor): string | null => short(t.grad_fn);
export const edges = (t: Tensor): unknown[] =>
  (t.grad_fn as Node).next_functions.filter(([n]) => n !== null).map(([n, i]) => [short(n), i]);
export const leaf = (...values: number[]): Tensor =>
  torch.tensor(values, { dtype: torch.float32, requires_grad: true });
export const f32 = (values: number[]): Tensor => torch.tensor(values, { dtype: torch.float32 });
export const range = (n: number): Tensor => torch.arange(n).to(torch.float32);

export type Forward = (ctx: FunctionCtx, ...args: never[]) => unknown;
export type Backward = (ctx: FunctionCtx, ...grads: never[]) => unknown;

/** `apply` of a custom function. */
export function custom(forward: Forward, backward?: Backward): (...args: unknown[]) => Tensor {
  class Fn extends torch.autograd.Function {
    static forward = forward;
    static backward = backward;
  }
  const apply = Fn.apply as unknown as (this: unknown, ...args: unknown[]) => Tensor;
  return (...args) => apply.call(Fn, ...args);
}

/** A custom function from its static methods and attributes. */
export function define(statics: Record<string, unknown>, name = "Fn"): CustomClass {
  class Fn extends torch.autograd.Function {}
  Object.assign(Fn, statics);
  return Object.defineProperty(Fn, "name", { value: name }) as unknown as CustomClass;
}
export interface CustomClass {
  new (): object;
  apply(...args: unknown[]): Tensor;
}

export const pairOf = (x: unknown): Tensor[] => x as Tensor[];

export type Scenarios = Record<string, (log: Log) => void | Promise<void>>;
