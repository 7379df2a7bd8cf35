/** What the datasets of pictures share: https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.VisionDataset.html */
import { IndexError, ValueError } from "../../errors.ts";
import { Dataset } from "../../utils/data/dataset.ts";

/** Changes a picture and its target. */
export type Transforms = (input: never, target: never) => readonly [unknown, unknown];

export interface VisionDatasetOptions<Input = never, Target = never> {
  /** Changes picture and target together; not with the other two. */
  readonly transforms?: Transforms | null;
  /** Changes the picture. */
  readonly transform?: ((input: Input) => unknown) | null;
  /** Changes the target. */
  readonly target_transform?: ((target: Target) => unknown) | null;
}

/** A dataset of `[picture, target]`, with changes applied to each sample as it is read. A subclass defines `get` and `length`. */
export abstract class VisionDataset<Sample = unknown> extends Dataset<Sample> {
  /** Where the files are; null if there are none. */
  readonly root: string | null;
  readonly transforms: Transforms | null;
  readonly transform: ((input: never) => unknown) | null;
  readonly target_transform: ((target: never) => unknown) | null;

  constructor(root: string | null, options: VisionDatasetOptions = {}) {
    super();
    const { transforms = null, transform = null, target_transform = null } = options;
    if (transforms !== null && (transform !== null || target_transform !== null)) {
      throw new ValueError("Only transforms or transform/target_transform can be passed as argument");
    }
    this.root = root;
    this.transform = transform;
    this.target_transform = target_transform;
    this.transforms =
      transform === null && target_transform === null
        ? transforms
        : new StandardTransform(transform, target_transform).asFunction();
  }

  /** Lines of the text about the dataset. */
  extra_repr(): string {
    return "";
  }

  /** The sample after `transforms`. */
  protected transformed(input: unknown, target: unknown): readonly [unknown, unknown] {
    return this.transforms === null ? [input, target] : this.transforms(input as never, target as never);
  }

  override toString(): string {
    const body = [`Number of datapoints: ${this.length}`];
    if (this.root !== null) body.push(`Root location: ${this.root}`);
    body.push(...this.extra_repr().split("\n").filter(Boolean));
    if (this.transforms !== null) body.push(String(this.transforms));
    return [`Dataset ${this.constructor.name}`, ...body.map((line) => `    ${line}`)].join("\n");
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** `transform` for the picture and `target_transform` for the target. */
export class StandardTransform {
  readonly transform: ((input: never) => unknown) | null;
  readonly target_transform: ((target: never) => unknown) | null;

  constructor(
    transform: ((input: never) => unknown) | null = null,
    target_transform: ((target: never) => unknown) | null = null,
  ) {
    this.transform = transform;
    this.target_transform = target_transform;
  }

  call(input: unknown, target: unknown): [unknown, unknown] {
    return [
      this.transform === null ? input : this.transform(input as never),
      this.target_transform === null ? target : this.target_transform(target as never),
    ];
  }

  /** @internal The same as a function that shows as this does. */
  asFunction(): Transforms {
    return Object.assign((input: never, target: never) => this.call(input, target), {
      toString: () => this.toString(),
    });
  }

  toString(): string {
    const lines = ["StandardTransform"];
    if (this.transform !== null) lines.push(labelled("Transform: ", this.transform));
    if (this.target_transform !== null) lines.push(labelled("Target transform: ", this.target_transform));
    return lines.join("\n");
  }
}

function labelled(label: string, transform: { readonly name?: string; toString(): string }): string {
  // Functions have their code as text, modules what they print as.
  const isPlain = Object.getPrototypeOf(transform) === Function.prototype;
  const text = isPlain ? `<function ${transform.name || "<lambda>"}>` : String(transform);
  return label + text.replaceAll("\n", `\n${" ".repeat(label.length)}`);
}

/** Places from the end count backwards; those outside throw. */
export function checkedIndex(index: number, length: number): number {
  if (!(Number.isInteger(index) && index >= -length && index < length)) {
    throw new IndexError(`index ${index} is out of bounds for axis 0 with size ${length}`);
  }
  return index < 0 ? index + length : index;
}
