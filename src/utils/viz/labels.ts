/** Texts in boxes. */
import { type DType, get_default_dtype } from "../../dtype.ts";

/** `(64, 10)`; `(64)` for one dimension, `()` for none. */
export function shapeLabel(shape: readonly number[]): string {
  return `(${shape.join(", ")})`;
}

/** The name of a dtype that is not the usual one. */
export function dtypeName(dtype: DType): string {
  return dtype === get_default_dtype() ? "" : dtype.name;
}
