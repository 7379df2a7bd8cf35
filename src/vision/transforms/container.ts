/** Transforms of transforms. */
import { float32 } from "../../dtype.ts";
import { ValueError } from "../../errors.ts";
import { bindNamed } from "../../ops/define/schema.ts";
import { tensor } from "../../ops/from-values.ts";
import { randperm } from "../../ops/random.ts";
import { multinomial } from "../../ops/random-methods.ts";
import type { Tensor } from "../../tensor.ts";
import { type Chain, chance, declareBatchForm, declareChain, Transform } from "./transform.ts";

/** A function of one image or of a sample: a transform, or any other. */
export type TransformFunction = (...inputs: never[]) => unknown;

function checkList(transforms: unknown): asserts transforms is readonly TransformFunction[] {
  if (!Array.isArray(transforms)) throw new TypeError("Argument transforms should be a sequence of callables");
  if (transforms.length === 0) throw new ValueError("Pass at least one transform");
}

/** Calls one transform on the result of the other. Several arguments stay several. */
function run(transforms: readonly TransformFunction[], inputs: unknown[]): unknown {
  let all = inputs;
  for (const transform of transforms) {
    const outputs = (transform as (...inputs: unknown[]) => unknown)(...all);
    all = inputs.length > 1 ? (outputs as unknown[]) : [outputs];
  }
  return inputs.length > 1 ? all : all[0];
}

function listText(transforms: readonly TransformFunction[]): string {
  return transforms.map((t) => `    ${t}`).join("\n");
}

/** One transform after the other. `Out` is what comes out at the end. */
export interface Compose<Out = Tensor> {
  (...inputs: unknown[]): Out;
}
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: modules are functions, which the interface types.
export class Compose<Out = Tensor> extends Transform implements Chain {
  readonly transforms: readonly TransformFunction[];

  constructor(transforms: readonly TransformFunction[]) {
    super();
    checkList(transforms);
    this.transforms = [...transforms];
  }

  override forward(...inputs: unknown[]): Out {
    return run(this.transforms, inputs) as Out;
  }

  override extra_repr(): string {
    return listText(this.transforms);
  }
}
declareChain((t): t is Compose => t instanceof Compose && t.forward === Compose.prototype.forward);

/** All transforms one after the other, or with probability 1 − `p` none. */
export class RandomApply extends Transform {
  readonly transforms: readonly TransformFunction[];
  readonly p: number;

  constructor(transforms: readonly TransformFunction[], p?: number | { p?: number }) {
    super();
    checkList(transforms);
    this.transforms = [...transforms];
    this.p = bindNamed("RandomApply.__init__(float p=0.5)", [p]).p as number;
    if (!(this.p >= 0 && this.p <= 1)) {
      throw new ValueError("`p` should be a floating point value in the interval [0.0, 1.0].");
    }
  }

  override forward(...inputs: unknown[]): unknown {
    if (!chance(this.p)) return inputs.length > 1 ? inputs : inputs[0];
    return run(this.transforms, inputs);
  }

  override extra_repr(): string {
    return listText(this.transforms);
  }
}

/** One of the transforms, chosen with the probabilities `p`, which are scaled to sum to 1. Default: all alike. */
export class RandomChoice extends Transform {
  readonly transforms: readonly TransformFunction[];
  readonly p: readonly number[];
  static override readonly shown = { transforms: "[any]", p: "[float]" } as const;

  constructor(
    transforms: readonly TransformFunction[],
    p?: readonly number[] | { p?: readonly number[] | null } | null,
  ) {
    super();
    checkList(transforms);
    this.transforms = [...transforms];
    const given = bindNamed("RandomChoice.__init__(any? p=None)", [p]).p as readonly number[] | null;
    const weights = given ?? transforms.map(() => 1);
    if (weights.length !== transforms.length) {
      throw new ValueError(
        `Length of p doesn't match the number of transforms: ${weights.length} != ${transforms.length}`,
      );
    }
    const total = weights.reduce((a, b) => a + b, 0);
    this.p = weights.map((w) => w / total);
  }

  override forward(...inputs: unknown[]): unknown {
    const index = multinomial(tensor([...this.p], { dtype: float32 }), 1).item() as number;
    return run([this.transforms[index]], inputs);
  }
}

/** All transforms, in random order. */
export class RandomOrder extends Transform {
  readonly transforms: readonly TransformFunction[];
  static override readonly shown = { transforms: "[any]" } as const;

  constructor(transforms: readonly TransformFunction[]) {
    super();
    checkList(transforms);
    this.transforms = [...transforms];
  }

  override forward(...inputs: unknown[]): unknown {
    const order = randperm(this.transforms.length).tolist() as number[];
    return run(
      order.map((i) => this.transforms[i]),
      inputs,
    );
  }
}

/** Gives what it gets. */
export class Identity extends Transform {
  override transform(input: unknown): unknown {
    return input;
  }
}
declareBatchForm(Identity, "both", "same", (_, images) => images);

/** A function as a transform: of every value of a sample, or of those of the given classes. */
export interface Lambda<In = unknown, Out = unknown> {
  (input: In): Out;
}
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: modules are functions, which the interface types.
export class Lambda<In = unknown, Out = unknown> extends Transform {
  readonly lambd: (input: In) => Out;
  readonly types: readonly (abstract new (
    ...args: never[]
  ) => unknown)[];

  constructor(lambd: (input: In) => Out, ...types: (abstract new (...args: never[]) => unknown)[]) {
    super();
    if (typeof lambd !== "function") throw new TypeError(`Argument lambd should be callable, got '${typeof lambd}'`);
    this.lambd = lambd;
    this.types = types;
  }

  override transforms_type(): boolean {
    return true;
  }

  protected override chooseLeaves(flat: readonly unknown[]): boolean[] {
    return flat.map(() => true);
  }

  override transform(input: unknown): unknown {
    const isMeant = this.types.length === 0 || this.types.some((type) => input instanceof type);
    return isMeant ? this.lambd(input as In) : input;
  }

  override extra_repr(): string {
    const types = this.types.length === 0 ? ["object"] : this.types.map((type) => type.name);
    const name = this.lambd.name === "" ? "<lambda>" : this.lambd.name;
    return `${name}, types=[${types.map((t) => `'${t}'`).join(", ")}]`;
  }
}
