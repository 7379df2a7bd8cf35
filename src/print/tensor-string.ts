/**
 * A tensor's text, to the character as PyTorch prints it. The rules are those of PyTorch's `torch/_tensor_str.py`:
 * one format for all elements, chosen from the elements that are shown, then brackets, line breaks and suffixes.
 */
import { type DType, get_default_dtype, int64, bool as torchBool } from "../dtype.ts";
import { get_printoptions, mergePrintOptions, type PrintOptions, type PrintOptionsUpdate } from "./options.ts";
import { formatExponent, formatFixed, pythonRepr } from "./python-format.ts";

/** What printing needs to know of a tensor. */
export interface PrintableTensor {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /**
   * The element at a position in logical row-major order, half-precision types widened to a number. Called only for
   * elements that are shown. `null` on the meta device, where there are no elements.
   */
  readonly valueAt: ((position: number) => number | bigint | boolean) | null;
  /** Printed unless its type is `cpu`, the default. */
  readonly device?: { readonly type: string; toString(): string };
  readonly requires_grad?: boolean;
  /** The name of the node that made the tensor, such as `AddBackward0`, or `null` for a leaf. */
  readonly grad_fn_name?: string | null;
  /** The text of the tangent that forward mode keeps with the tensor. */
  readonly tangent?: string | null;
  /** The class name in front of the parenthesis. Default `tensor`. */
  readonly class_name?: string;
  readonly is_parameter?: boolean;
}

/** PyTorch's `repr` of a tensor: `tensor([[1., 2.], [3., 4.]])` with its line breaks. `options` add to the options in force. */
export function tensorToString(tensor: PrintableTensor, options?: PrintOptionsUpdate): string {
  const inForce = get_printoptions();
  const merged =
    options === undefined ? inForce : mergePrintOptions(inForce, { sci_mode: inForce.sci_mode, ...options });
  const prefix = `${tensor.class_name ?? "tensor"}(`;
  const contents = contentsToString(tensor, prefix.length, merged);
  const text = addSuffixes(prefix + contents, suffixesOf(tensor, merged), prefix.length, merged.linewidth);
  return tensor.is_parameter ? `Parameter containing:\n${text}` : text;
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function suffixesOf(tensor: PrintableTensor, options: PrintOptions): string[] {
  const { shape, dtype } = tensor;
  const suffixes: string[] = [];
  if (tensor.device !== undefined && tensor.device.type !== "cpu") suffixes.push(`device='${tensor.device}'`);

  const isEmpty = elementCount(shape) === 0;
  const isMeta = tensor.valueAt === null;
  // An empty tensor shows its shape unless it is (0,), as in NumPy.
  const showsSize = isMeta || (isEmpty ? shape.length !== 1 : options.edgeitems === 0);
  if (showsSize) suffixes.push(`size=${pythonRepr(shape)}`);
  // Where elements are shown, whole numbers and True or False speak for int64 and bool.
  const dtypeIsEvident =
    dtype === get_default_dtype() || (!isEmpty && !isMeta && (dtype === int64 || dtype === torchBool));
  if (!dtypeIsEvident) suffixes.push(`dtype=${dtype}`);

  if (tensor.grad_fn_name != null) suffixes.push(`grad_fn=<${tensor.grad_fn_name}>`);
  else if (tensor.requires_grad) suffixes.push("requires_grad=True");
  if (tensor.tangent != null) suffixes.push(`tangent=${tensor.tangent}`);
  return suffixes;
}

function addSuffixes(text: string, suffixes: readonly string[], indent: number, linewidth: number): string {
  let result = text;
  // Two more than the characters in the last line: room for the comma and the closing parenthesis.
  let lastLine = text.length - text.lastIndexOf("\n") + 1;
  for (const suffix of suffixes) {
    if (lastLine + suffix.length + 2 > linewidth) {
      result += `,\n${" ".repeat(indent)}${suffix}`;
      lastLine = indent + suffix.length;
    } else {
      result += `, ${suffix}`;
      lastLine += suffix.length + 2;
    }
  }
  return `${result})`;
}

function contentsToString(tensor: PrintableTensor, indent: number, options: PrintOptions): string {
  const { shape, dtype, valueAt } = tensor;
  if (valueAt === null) return "...";
  const count = elementCount(shape);
  if (count === 0) return "[]";
  const edge = count > options.threshold ? options.edgeitems : Number.POSITIVE_INFINITY;
  const shown: (number | bigint | boolean)[] = [];
  visitShown(shape, 0, 0, edge, (position) => shown.push(valueAt(position)));
  const format = dtype.is_floating_point ? floatFormat(shown.map(Number), options) : plainFormat(shown, dtype);
  return renderDimension({ shape, edge, indent, format, linewidth: options.linewidth, valueAt }, 0, 0);
}

/** The indices shown of a dimension, with `null` for the gap. `edge` is infinite when nothing is left out. */
function shownIndices(size: number, edge: number): (number | null)[] {
  // With no edge items only the gap is left, however small the dimension.
  if (size <= 2 * edge) return Array.from({ length: size }, (_, i) => i);
  const first = Array.from({ length: edge }, (_, i) => i);
  return [...first, null, ...first.map((i) => size - edge + i)];
}

function visitShown(
  shape: readonly number[],
  dim: number,
  index: number,
  edge: number,
  visit: (position: number) => void,
): void {
  if (dim === shape.length) {
    visit(index);
    return;
  }
  for (const i of shownIndices(shape[dim], edge)) {
    if (i !== null) visitShown(shape, dim + 1, index * shape[dim] + i, edge, visit);
  }
}

interface ElementFormat {
  readonly width: number;
  format(value: number | bigint | boolean): string;
}

function widest(texts: readonly string[]): number {
  return texts.reduce((width, text) => Math.max(width, text.length), 1);
}

/** Integers and booleans: aligned to the widest. */
function plainFormat(shown: readonly (number | bigint | boolean)[], dtype: DType): ElementFormat {
  const text = (value: number | bigint | boolean) => (dtype === torchBool ? pythonRepr(Boolean(value)) : String(value));
  const width = widest(shown.map(text));
  return { width, format: (value) => text(value).padStart(width) };
}

/** Floats: whole numbers as `1.`, others with a fixed number of digits, or all in scientific notation. */
function floatFormat(shown: readonly number[], options: PrintOptions): ElementFormat {
  const { precision } = options;
  // Zeros, infinities and NaN take part neither in the choice of notation nor in the width.
  const deciding = shown.filter((value) => Number.isFinite(value) && value !== 0);
  const isWhole = deciding.every(Number.isInteger);
  const isScientific = deciding.length > 0 && (options.sci_mode ?? spansWidely(deciding));
  const text = (value: number): string => {
    if (isScientific) return formatExponent(value, precision);
    if (!isWhole) return formatFixed(value, precision);
    return Number.isFinite(value) ? `${formatFixed(value, 0)}.` : formatFixed(value, 0);
  };
  const width = widest(deciding.map(text));
  return { width, format: (value) => text(Number(value)).padStart(width) };
}

/** Whether magnitudes are too large, too small or too far apart for a fixed number of digits. */
function spansWidely(values: readonly number[]): boolean {
  let smallest = Number.POSITIVE_INFINITY;
  let largest = 0;
  for (const value of values) {
    const magnitude = Math.abs(value);
    smallest = Math.min(smallest, magnitude);
    largest = Math.max(largest, magnitude);
  }
  return largest / smallest > 1000 || largest > 1e8 || smallest < 1e-4;
}

interface Rendering {
  readonly shape: readonly number[];
  readonly edge: number;
  readonly indent: number;
  readonly linewidth: number;
  readonly format: ElementFormat;
  valueAt(position: number): number | bigint | boolean;
}

function renderDimension(rendering: Rendering, dim: number, index: number): string {
  const { shape, edge } = rendering;
  if (dim === shape.length) return rendering.format.format(rendering.valueAt(index));
  if (dim === shape.length - 1) return renderVector(rendering, dim, index);
  const slices = shownIndices(shape[dim], edge).map((i) =>
    i === null ? "..." : renderDimension(rendering, dim + 1, index * shape[dim] + i),
  );
  // A blank line between matrices, two between three-dimensional blocks, and so on.
  const separator = `,${"\n".repeat(shape.length - dim - 1)}${" ".repeat(rendering.indent + dim + 1)}`;
  return `[${slices.join(separator)}]`;
}

function renderVector(rendering: Rendering, dim: number, index: number): string {
  const { shape, edge, format } = rendering;
  const indent = rendering.indent + dim;
  const gap = edge === 0 ? "..." : " ...";
  const items = shownIndices(shape[dim], edge).map((i) =>
    i === null ? gap : format.format(rendering.valueAt(index * shape[dim] + i)),
  );
  const perLine = Math.max(1, Math.floor((rendering.linewidth - indent) / (format.width + 2)));
  const lines: string[] = [];
  for (let i = 0; i < items.length; i += perLine) lines.push(items.slice(i, i + perLine).join(", "));
  return `[${lines.join(`,\n${" ".repeat(indent + 1)}`)}]`;
}
