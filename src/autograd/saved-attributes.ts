/**
 * What a node keeps, under PyTorch's names: `grad_fn._saved_self`, `_saved_result`, `_saved_dim`, and the `SavedTensor`s
 * themselves as `_raw_saved_self`. The names come from the op's declaration.
 */
import type { SavedTensor } from "./saved-tensor.ts";

/** Something that a node keeps. */
export interface SavedAttribute {
  /** As in the declaration of the op: `self`, `result`, `dim`. */
  readonly name: string;
  /** The value, null where the gradients that are wanted need none; throws where it was freed. */
  readonly value: () => unknown;
  /** Absent for what is no tensor. */
  readonly raw?: () => SavedTensor | null;
}

const EXPOSED = Symbol("saved attributes");

/**
 * Gives `node` its properties. They are made when somebody looks at a node, not when it is recorded: hardly any node of a
 * training step is looked at.
 */
export function exposeSaved(node: object, list: () => readonly SavedAttribute[]): void {
  if (Object.hasOwn(node, EXPOSED)) return;
  const properties: PropertyDescriptorMap = { [EXPOSED]: { value: true } };
  for (const { name, value, raw } of list()) {
    properties[`_saved_${name}`] = { get: value, configurable: true };
    if (raw !== undefined) properties[`_raw_saved_${name}`] = { get: raw, configurable: true };
  }
  Object.defineProperties(node, properties);
}

/** The names of tensors among the inputs of an op whose declaration names none. */
export function defaultInputNames(count: number): readonly string[] {
  if (count <= 2) return ["self", "other"].slice(0, count);
  return ["self", ...Array.from({ length: count - 1 }, (_, i) => `tensor${i + 1}`)];
}

/** The names of outputs. */
export function outputNames(count: number): readonly string[] {
  return count === 1 ? ["result"] : Array.from({ length: count }, (_, i) => `result${i}`);
}
