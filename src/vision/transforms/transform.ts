/** What transforms are, and how they are chained. */
import { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor.ts";

/** A callable change of one image. A subclass defines `forward`. */
export class Transform extends Module {
  override toString(): string {
    return `${this.className()}(${this.extra_repr()})`;
  }
}

type BatchForm = (transform: never, images: Tensor) => Tensor;
// By the function that it replaces, so that a subclass with a `forward` of its own has no batch form.
const batchForms = new Map<unknown, BatchForm>();

/**
 * Says what a transform's `forward` does to many images at once, stacked along a new first dimension. Only for
 * transforms that treat every image alike and give exactly the stacked results of single calls.
 */
export function declareBatchForm<T extends Transform>(
  transform: { prototype: T },
  form: (transform: T, images: Tensor) => Tensor,
): void {
  batchForms.set(transform.prototype.forward, form as BatchForm);
}

/** The form of a transform for stacked images; null if it has none. */
export function batchFormOf(transform: unknown): ((images: Tensor) => Tensor) | null {
  if (!(transform instanceof Transform)) return null;
  if (transform instanceof Compose && transform.forward === Compose.prototype.forward) {
    const forms = transform.transforms.map(batchFormOf);
    return forms.includes(null) ? null : (images) => forms.reduce((x, form) => form!(x), images);
  }
  const form = batchForms.get(transform.forward);
  return form === undefined ? null : (images) => form(transform as never, images);
}

/** A function of one image: a transform, or any other. */
export type TransformFunction<In = Tensor, Out = Tensor> = ((image: In) => Out) | Transform;

/** One transform after the other. */
export class Compose<Out = Tensor> extends Transform {
  readonly transforms: readonly TransformFunction<never, unknown>[];

  constructor(transforms: readonly TransformFunction<never, unknown>[]) {
    super();
    this.transforms = [...transforms];
  }

  override forward(image: Tensor): Out {
    return this.transforms.reduce<unknown>((x, f) => (f as (x: unknown) => unknown)(x), image) as Out;
  }

  override toString(): string {
    return `Compose(${this.transforms.map((t) => `\n    ${t}`).join("")}\n)`;
  }
}

/** A function as a transform. */
export class Lambda<In = Tensor, Out = Tensor> extends Transform {
  readonly lambd: (image: In) => Out;

  constructor(lambd: (image: In) => Out) {
    super();
    if (typeof lambd !== "function") throw new TypeError(`Argument lambd should be callable, got '${typeof lambd}'`);
    this.lambd = lambd;
  }

  override forward(image: In): Out {
    return this.lambd(image);
  }

  override toString(): string {
    return "Lambda()";
  }
}
