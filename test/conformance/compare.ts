/** Compares results with golden ones. */
import type { Golden, GoldenTensor, Values } from "./golden.ts";
import { elements, isTensor } from "./golden.ts";
import type { Api, TensorLike } from "./target.ts";
import { floatValue, isTensorLike, valuesOf } from "./target.ts";

export type Check =
  | "missing"
  | "throws"
  | "type"
  | "dtype"
  | "shape"
  | "value"
  | "grad"
  | "method"
  | "inplace"
  | "out"
  | "strided"
  | "view"
  | "error"
  | "alias";

/** A difference, in words. */
export interface Difference {
  check: Check;
  message: string;
  /** A remark that does not fail a test: the sign of a zero, the wording of an error. */
  note?: boolean;
}

const EPSILON: Record<string, number> = {
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
  float32: 2 ** -23,
  float64: 2 ** -52,
};

const at = (shape: readonly number[], flat: number): string => {
  const index: number[] = [];
  let rest = flat;
  for (let d = shape.length - 1; d >= 0; d--) {
    index.unshift(rest % shape[d]);
    rest = Math.floor(rest / shape[d]);
  }
  return `[${index.join(", ")}]`;
};

export interface Tolerance {
  rtol: number;
  atol: number;
  /** The rounding error of PyTorch's own result, against float64. */
  err?: number | null;
}

/**
 * Elementwise: |got - expected| ≤ atol + rtol·|expected|, as torch.testing.assert_close does, plus four times PyTorch's own
 * rounding error where it is known. That share is at most 32 units in the last place of the largest element, so that
 * a step function's jump does not open the door.
 */
export function compareValues(
  got: Values,
  expected: Values,
  dtype: string,
  shape: readonly number[],
  tolerance: Tolerance,
): Difference[] {
  const epsilon = EPSILON[dtype];
  let slack = 0;
  if (epsilon !== undefined) {
    let largest = 0;
    for (let i = 0; i < expected.length; i++) {
      const size = Math.abs(Number(expected[i]));
      if (Number.isFinite(size) && size > largest) largest = size;
    }
    slack = tolerance.err === undefined ? 0 : Math.min(4 * (tolerance.err ?? 0), 32 * epsilon * largest);
  }
  let wrong = 0;
  let first = -1;
  let worst = 0;
  let zeroSign = -1;
  for (let i = 0; i < expected.length; i++) {
    const g = got[i];
    const e = expected[i];
    if (g === e) {
      if (e === 0 && !Object.is(g, e) && zeroSign < 0) zeroSign = i;
      continue;
    }
    if (typeof g === "number" && typeof e === "number" && epsilon !== undefined) {
      if (Number.isNaN(g) && Number.isNaN(e)) continue;
      const difference = Math.abs(g - e);
      if (Number.isFinite(g) && Number.isFinite(e)) {
        if (difference <= tolerance.atol + tolerance.rtol * Math.abs(e) + slack) continue;
        worst = Math.max(worst, difference);
      } else worst = Number.POSITIVE_INFINITY;
    } else worst = Math.max(worst, Math.abs(Number(g) - Number(e)));
    wrong++;
    if (first < 0) first = i;
  }
  if (wrong > 0) {
    const where = `${wrong} of ${expected.length} elements differ, first at ${at(shape, first)}`;
    const message = `${where}: got ${got[first]}, expected ${expected[first]} (largest difference ${worst.toPrecision(3)})`;
    return [{ check: "value", message }];
  }
  if (zeroSign >= 0) {
    const message = `sign of zero at ${at(shape, zeroSign)}: got ${Object.is(got[zeroSign], -0) ? "-0" : "0"}`;
    return [{ check: "value", message, note: true }];
  }
  return [];
}

export function compareTensor(
  api: Api,
  got: unknown,
  expected: GoldenTensor,
  blob: Uint8Array,
  tolerance: Tolerance,
): Difference[] {
  if (!isTensorLike(got)) return [{ check: "type", message: `got ${describe(got)}, expected a tensor` }];
  if (got.dtype.name !== expected.t) {
    return [{ check: "dtype", message: `got torch.${got.dtype.name}, expected torch.${expected.t}` }];
  }
  if (got.shape.length !== expected.shape.length || got.shape.some((s, d) => s !== expected.shape[d])) {
    return [
      { check: "shape", message: `got shape [${got.shape.join(", ")}], expected [${expected.shape.join(", ")}]` },
    ];
  }
  if (expected.novalue) return [];
  return compareValues(valuesOf(api, got), elements(expected, blob), expected.t, expected.shape, tolerance);
}

/** A result of any kind: a tensor, a number, a bool, a list. */
export function compareResult(
  api: Api,
  got: unknown,
  expected: Golden,
  blob: Uint8Array,
  tolerance: (dtype: string, index: number) => Tolerance,
): Difference[] {
  let floats = 0;
  const walk = (g: unknown, e: Golden, where: string): Difference[] => {
    const located = (found: Difference[]): Difference[] =>
      where ? found.map((d) => ({ ...d, message: `result ${where}: ${d.message}` })) : found;
    if (isTensor(e)) {
      const index = EPSILON[e.t] === undefined ? -1 : floats++;
      return located(compareTensor(api, g, e, blob, tolerance(e.t, index)));
    }
    if (Array.isArray(e)) {
      const list = (typeof g === "object" && g !== null && !isTensorLike(g) ? g : undefined) as
        | ArrayLike<unknown>
        | undefined;
      if (list?.length === undefined) {
        return located([{ check: "type", message: `got ${describe(g)}, expected a list of ${e.length}` }]);
      }
      if (list.length !== e.length) {
        return located([{ check: "shape", message: `got ${list.length} results, expected ${e.length}` }]);
      }
      return e.flatMap((x, i) => walk(list[i], x, `${where}[${i}]`));
    }
    const wanted: unknown =
      typeof e === "object" && e !== null
        ? e.float !== undefined
          ? floatValue(e.float)
          : e.int !== undefined
            ? BigInt(e.int)
            : e
        : e;
    const close =
      typeof wanted === "number" && typeof g === "number"
        ? Object.is(g, wanted) || Math.abs(g - wanted) <= 1e-5 + 1.3e-6 * Math.abs(wanted)
        : g === wanted;
    return close ? [] : located([{ check: "value", message: `got ${describe(g)}, expected ${String(wanted)}` }]);
  };
  return walk(got, expected, "");
}

export function describe(value: unknown): string {
  if (isTensorLike(value)) return `a ${value.dtype.name} tensor of shape [${value.shape.join(", ")}]`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "object" && value !== null ? (value.constructor?.name ?? "an object") : String(value);
}

/** Whether two messages are about the same thing: they share some of their longer words. */
export function similarMessage(got: string, expected: string): boolean {
  const words = (text: string): Set<string> => new Set(text.toLowerCase().match(/[a-z_]{4,}/g) ?? []);
  const wanted = words(expected);
  if (wanted.size === 0) return true;
  const found = words(got);
  let shared = 0;
  for (const word of wanted) if (found.has(word)) shared++;
  return shared >= Math.min(3, wanted.size) || shared / wanted.size >= 0.25;
}

/** Reads back an input: whether it still has its recorded elements. */
export function unchanged(api: Api, made: TensorLike, golden: GoldenTensor, blob: Uint8Array): boolean {
  const now = valuesOf(api, made);
  const before = elements(golden, blob);
  for (let i = 0; i < before.length; i++) {
    if (!Object.is(now[i], before[i]) && !(now[i] === 0 && before[i] === 0)) return false;
  }
  return true;
}
