/**
 * Numbers and values as Python writes them, for everything that must read as PyTorch's text does.
 * Source: https://docs.python.org/3/library/string.html#format-specification-mini-language
 *
 * JavaScript's own `toFixed` and `toExponential` differ from Python in ways that show: they break exact ties upwards
 * (`(2.5).toFixed(0)` is `3`, Python's `f"{2.5:.0f}"` is `2`), stop at 100 digits and, for `toFixed`, at 1e21.
 */

const word = new BigUint64Array(1);
const wordAsFloat = new Float64Array(word.buffer);

/** `magnitude · 10^power` from the exact binary value, rounded to an integer, ties to even. `magnitude` is finite and ≥ 0. */
function roundScaled(magnitude: number, power: number): bigint {
  wordAsFloat[0] = magnitude;
  const fraction = word[0] & 0xf_ffff_ffff_ffffn;
  const exponentField = Number(word[0] >> 52n);
  // magnitude = significand · 2^exponent; the exponent field 0 marks subnormal numbers, which have no hidden bit.
  const significand = exponentField === 0 ? fraction : fraction | (1n << 52n);
  const exponent = Math.max(exponentField, 1) - 1075;

  let numerator = significand;
  let denominator = 1n;
  if (power >= 0) numerator *= 10n ** BigInt(power);
  else denominator *= 10n ** BigInt(-power);
  if (exponent >= 0) numerator <<= BigInt(exponent);
  else denominator <<= BigInt(-exponent);

  const quotient = numerator / denominator;
  const twiceRest = 2n * (numerator - quotient * denominator);
  const up = twiceRest > denominator || (twiceRest === denominator && (quotient & 1n) === 1n);
  return up ? quotient + 1n : quotient;
}

function isNegative(value: number): boolean {
  return value < 0 || Object.is(value, -0);
}

function formatNonFinite(value: number): string {
  if (Number.isNaN(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}

function withPoint(digits: string, decimals: number): string {
  if (decimals === 0) return digits;
  return `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

function exponentText(exponent: number): string {
  return `e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** Python's `f"{value:.{decimals}f}"`. */
export function formatFixed(value: number, decimals: number): string {
  if (!Number.isFinite(value)) return formatNonFinite(value);
  const digits = roundScaled(Math.abs(value), decimals)
    .toString()
    .padStart(decimals + 1, "0");
  return (isNegative(value) ? "-" : "") + withPoint(digits, decimals);
}

/** Python's `f"{value:.{decimals}e}"`. */
export function formatExponent(value: number, decimals: number): string {
  if (!Number.isFinite(value)) return formatNonFinite(value);
  const magnitude = Math.abs(value);
  let exponent = 0;
  let digits = "0".repeat(decimals + 1);
  if (magnitude !== 0) {
    // The shortest text may have been rounded up to the next power of ten, and rounding to `decimals` may do the same:
    // the estimate is at most one off in either direction.
    exponent = Number(magnitude.toExponential().split("e")[1]);
    digits = roundScaled(magnitude, decimals - exponent).toString();
    if (digits.length <= decimals) {
      exponent -= 1;
      digits = roundScaled(magnitude, decimals - exponent).toString();
    }
    if (digits.length > decimals + 1) {
      exponent += 1;
      digits = digits.slice(0, -1);
    }
  }
  return (isNegative(value) ? "-" : "") + withPoint(digits, decimals) + exponentText(exponent);
}

/** Python's `repr` of a `float`: the shortest digits that read back the same, as `0.1`, `1.0`, `1e-05`, `1e+16`, `inf`. */
export function formatFloat(value: number): string {
  if (!Number.isFinite(value)) return formatNonFinite(value);
  const sign = isNegative(value) ? "-" : "";
  const [significand, exponentPart] = Math.abs(value).toExponential().split("e");
  const digits = significand.replace(".", "");
  const exponent = Number(exponentPart);
  if (exponent < -4 || exponent >= 16) {
    return sign + (digits.length > 1 ? withPoint(digits, digits.length - 1) : digits) + exponentText(exponent);
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}

/** A number that Python would hold as a `float` even when it is whole; see {@link pythonFloat}. */
export class PythonFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }

  toString(): string {
    return formatFloat(this.value);
  }
}

/** Marks a number as a Python `float` for {@link pythonRepr}: `pythonFloat(1)` reads `1.0`, where `1` alone reads `1`. */
export function pythonFloat(value: number): PythonFloat {
  return new PythonFloat(value);
}

/**
 * Python's `repr` of a value, for texts such as `Conv2d(3, 6, kernel_size=(5, 5), stride=(1, 1))`.
 * Whole numbers are `int`, others `float`; arrays are tuples; `null` and `undefined` are `None`; plain objects and maps
 * are dictionaries; any other object (a dtype, a tensor) speaks for itself by `toString`.
 */
export function pythonRepr(value: unknown): string {
  switch (typeof value) {
    case "number":
      return Number.isInteger(value) && !Object.is(value, -0) ? BigInt(value).toString() : formatFloat(value);
    case "boolean":
      return value ? "True" : "False";
    case "string":
      return stringRepr(value);
    case "undefined":
      return "None";
    case "object":
      if (value === null) return "None";
      if (Array.isArray(value)) return tupleRepr(value);
      if (value instanceof Map) return dictionaryRepr([...value]);
      if (Object.getPrototypeOf(value) === Object.prototype) return dictionaryRepr(Object.entries(value));
      return String(value);
    default:
      return String(value);
  }
}

function tupleRepr(items: readonly unknown[]): string {
  return items.length === 1 ? `(${pythonRepr(items[0])},)` : `(${items.map(pythonRepr).join(", ")})`;
}

function dictionaryRepr(entries: readonly (readonly [unknown, unknown])[]): string {
  return `{${entries.map(([key, item]) => `${pythonRepr(key)}: ${pythonRepr(item)}`).join(", ")}}`;
}

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Single quotes, unless the text has single quotes and no double ones; control characters and unpaired surrogates escaped. */
function stringRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const body = text.replace(/[\\'\p{C}\p{Zl}\p{Zp}\p{Zs}]/gu, (character) => {
    if (character === "'") return quote === "'" ? "\\'" : character;
    if (character === " ") return character;
    if (escapes[character] !== undefined) return escapes[character];
    const code = character.codePointAt(0) as number;
    const hex = code.toString(16);
    if (code <= 0xff) return `\\x${hex.padStart(2, "0")}`;
    return code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
  });
  return quote + body + quote;
}

/** The text of a `torch.Size`: `torch.Size([2, 3])`. */
export function sizeToString(shape: readonly number[]): string {
  return `torch.Size([${shape.join(", ")}])`;
}
