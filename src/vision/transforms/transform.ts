/** What transforms are: https://pytorch.org/vision/stable/transforms.html (version 2) */
import { NotImplementedError, ValueError } from "../../errors.ts";
import { Module } from "../../nn/module.ts";
import { empty } from "../../ops/creation.ts";
import { rand, randint } from "../../ops/random.ts";
import { pythonFloat, pythonRepr } from "../../print/index.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";
import { Image } from "../image.ts";
import { get_dimensions, type ImageLike } from "./functional/shared.ts";
import { type InterpolationMode, interpolationText } from "./interpolation.ts";

// The call keeps the types of what it is given; transforms that change them say so in an interface of their own.
// biome-ignore lint/correctness/noUnusedVariables: merged declarations have the same type parameters.
export interface Transform<P = unknown> {
  <X>(input: X): X;
  <X extends readonly [unknown, unknown, ...unknown[]]>(...inputs: X): { -readonly [I in keyof X]: X[I] };
}

/** How the text of a field is written: Python tells `1` from `1.0` and lists from tuples. */
export type Shown = "any" | "float" | "text" | "interpolation" | "policy" | "(any)" | "[any]" | "(float)" | "[float]";

/**
 * A change of images. It takes one image, or a whole sample: several arguments, arrays and plain objects, nested. All
 * images of a sample change alike, with the same random numbers; what is no image passes through. Where a sample has
 * pictures, its tensors pass too; else the first tensor is the image.
 *
 * A subclass defines `transform`, for one image, and `make_params`, which draws the random numbers for a sample.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: modules are functions, which the interface types.
export class Transform<P = unknown> extends Module {
  /** @internal The fields that the text shows, in order. Fields that are null are left out. */
  static readonly shown: Readonly<Record<string, Shown>> = {};

  /** Throws for a sample that the transform does not take. */
  check_inputs(_flat_inputs: readonly unknown[]): void {}

  /** The parameters of one call, from the images of the sample. */
  make_params(_flat_inputs: readonly unknown[]): P {
    return {} as P;
  }

  /** One image, changed. */
  transform(_input: unknown, _params: P): unknown {
    throw new NotImplementedError(`Transform [${this.className()}] is missing the required "transform" function`);
  }

  /** @internal Whether the transform is about this kind of value. */
  transforms_type(value: unknown): boolean {
    return is_tensor(value) || value instanceof Image;
  }

  override forward(...inputs: unknown[]): unknown {
    if (inputs.length === 1 && isImage(inputs[0])) {
      this.check_inputs(inputs);
      const [image] = inputs;
      if (!this.transforms_type(image)) return image;
      return this.transform(image, this.make_params(inputs));
    }
    return this.transformSample(inputs.length > 1 ? inputs : inputs[0]);
  }

  /** @internal */
  protected transformSample(sample: unknown): unknown {
    const flat = flatten(sample);
    this.check_inputs(flat);
    return this.transformLeaves(sample, flat);
  }

  /** @internal */
  protected transformLeaves(sample: unknown, flat: readonly unknown[]): unknown {
    const chosen = this.chooseLeaves(flat);
    const params = this.make_params(flat.filter((_, i) => chosen[i]));
    return unflatten(
      sample,
      flat.map((leaf, i) => (chosen[i] ? this.transform(leaf, params) : leaf)),
    );
  }

  /** @internal Which leaves are transformed. */
  protected chooseLeaves(flat: readonly unknown[]): boolean[] {
    let takesTensor = !flat.some((leaf) => leaf instanceof Image);
    return flat.map((leaf) => {
      if (!this.transforms_type(leaf)) return false;
      if (!is_tensor(leaf)) return true;
      const isFirst = takesTensor;
      takesTensor = false;
      return isFirst;
    });
  }

  override extra_repr(): string {
    const { shown } = this.constructor as typeof Transform;
    return Object.entries(shown)
      .map(([name, kind]) => [name, kind, (this as unknown as Record<string, unknown>)[name]] as const)
      .filter(([, , value]) => value !== null && value !== undefined)
      .map(([name, kind, value]) => `${name}=${fieldText(value, kind)}`)
      .join(", ");
  }
}

/** A transform that happens with probability `p`. */
export class RandomApplyTransform<P = unknown> extends Transform<P> {
  static override readonly shown: Readonly<Record<string, Shown>> = { p: "float" };
  readonly p: number;

  constructor(p: number) {
    super();
    if (!(p >= 0 && p <= 1)) {
      throw new ValueError("`p` should be a floating point value in the interval [0.0, 1.0].");
    }
    this.p = p;
  }

  override forward(...inputs: unknown[]): unknown {
    const sample = inputs.length > 1 ? inputs : inputs[0];
    const flat = flatten(sample);
    this.check_inputs(flat);
    return chance(this.p) ? this.transformLeaves(sample, flat) : sample;
  }
}

/** @internal */
export function isImage(value: unknown): value is ImageLike {
  return is_tensor(value) || value instanceof Image;
}

function fieldText(value: unknown, kind: Shown): string {
  if (kind === "text") return String(value);
  if (kind === "policy") return `AutoAugmentPolicy.${String(value).toUpperCase()}`;
  if (kind === "interpolation") return interpolationText(value as InterpolationMode);
  const item = (v: unknown): string => pythonRepr(kind.includes("float") && typeof v === "number" ? pythonFloat(v) : v);
  if (!Array.isArray(value)) return item(value);
  const list = value.map(item).join(", ");
  if (kind.startsWith("[")) return `[${list}]`;
  return value.length === 1 ? `(${list},)` : `(${list})`;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** @internal The leaves of nested arrays and plain objects, depth first. */
export function flatten(sample: unknown): unknown[] {
  if (Array.isArray(sample)) return sample.flatMap(flatten);
  if (isPlainObject(sample)) return Object.values(sample).flatMap(flatten);
  return [sample];
}

/** @internal The sample with other leaves. */
export function unflatten(sample: unknown, leaves: readonly unknown[]): unknown {
  let next = 0;
  const rebuild = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(rebuild);
    if (isPlainObject(node)) return Object.fromEntries(Object.entries(node).map(([key, v]) => [key, rebuild(v)]));
    return leaves[next++];
  };
  return rebuild(sample);
}

/** @internal The channels, height and width that all images of a sample have. */
export function query_chw(flat: readonly unknown[]): [channels: number, height: number, width: number] {
  return common(flat, get_dimensions, "CxHxW") as [number, number, number];
}

/** @internal The height and width that all images of a sample have. */
export function query_size(flat: readonly unknown[]): [height: number, width: number] {
  return common(flat, (image) => get_dimensions(image).slice(1), "HxW") as [number, number];
}

function common(flat: readonly unknown[], measure: (image: ImageLike) => number[], what: string): number[] {
  const all = new Map(flat.filter(isImage).map((image) => [String(measure(image)), measure(image)]));
  if (all.size === 0) throw new TypeError("No image or video was found in the sample");
  const [first] = all.values();
  if (all.size > 1) {
    const list = [...all.values()].map((sizes) => pythonRepr(sizes)).join(", ");
    throw new ValueError(`Found multiple ${what} dimensions in the sample: ${list}`);
  }
  return first;
}

/** @internal Whether something of probability `p` happens: one number of `torch.rand`. */
export function chance(p: number): boolean {
  return uniform01() < Math.fround(p);
}

/** @internal `torch.rand(1)`. */
export function uniform01(): number {
  return rand(1).item() as number;
}

/** @internal `torch.empty(1).uniform_(low, high)`. */
export function uniform(low: number, high: number): number {
  return empty(1).uniform_(low, high).item() as number;
}

/** @internal `torch.randint(low, high, (1,))`. */
export function randomInt(low: number, high: number): number {
  return randint(low, high, [1]).item() as number;
}

/** Pictures, still to become tensors, or tensors; stacked as (N, C, H, W) either way. */
type BatchKind = "pictures" | "tensors";

interface BatchForm {
  readonly takes: BatchKind | "both";
  readonly gives: BatchKind | "same";
  readonly forward: unknown;
  readonly apply: (transform: never, images: Tensor) => Tensor;
}

// By the method that it replaces, so that a subclass with methods of its own has no batch form.
const batchForms = new Map<unknown, BatchForm>();

/**
 * @internal Says what a transform does to many images at once, (N, C, H, W). Only for transforms that treat every image
 * alike and give exactly the stacked results of single calls.
 */
export function declareBatchForm<T extends Transform>(
  transform: { prototype: T },
  takes: BatchKind | "both",
  gives: BatchKind | "same",
  apply: (transform: T, images: Tensor) => Tensor,
): void {
  const { prototype } = transform;
  batchForms.set(prototype.transform, { takes, gives, forward: prototype.forward, apply: apply as BatchForm["apply"] });
}

/** @internal A transform that does what a list of transforms does, one after the other. */
export interface Chain {
  readonly transforms: readonly unknown[];
}

let isChain: (transform: Transform) => transform is Transform & Chain = (_): _ is Transform & Chain => false;

/** @internal Set by the module of `Compose`, which comes after this one. */
export function declareChain(test: typeof isChain): void {
  isChain = test;
}

/**
 * @internal The form of a transform for stacked pictures, bytes (N, H, W) or (N, H, W, C), that makes a tensor of each;
 * null if it has none.
 */
export function batchFormOf(transform: unknown): ((pictures: Tensor) => Tensor) | null {
  const steps = stepsOf(transform);
  if (steps === null) return null;
  let kind: BatchKind = "pictures";
  for (const { form } of steps) {
    if (form.takes !== "both" && form.takes !== kind) return null;
    if (form.gives !== "same") kind = form.gives;
  }
  if (kind !== "tensors") return null;
  return (pictures) => {
    const images = pictures.ndim === 3 ? pictures.unsqueeze(1) : pictures.permute(0, 3, 1, 2).contiguous();
    return steps.reduce((x, { step, form }) => form.apply(step as never, x), images);
  };
}

function stepsOf(transform: unknown): { step: Transform; form: BatchForm }[] | null {
  if (!(transform instanceof Transform)) return null;
  if (isChain(transform)) {
    const all = transform.transforms.map(stepsOf);
    return all.includes(null) ? null : all.flatMap((steps) => steps ?? []);
  }
  const form = batchForms.get(transform.transform);
  return form === undefined || form.forward !== transform.forward ? null : [{ step: transform, form }];
}
