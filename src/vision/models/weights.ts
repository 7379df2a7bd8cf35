/**
 * Pre-trained weights of models. A family declares them as torchvision does, one class per model, one member per file:
 *
 *   const COMMON_META = { min_size: [1, 1], categories: IMAGENET_CATEGORIES } as const;
 *
 *   export class ResNet18_Weights extends WeightsEnum {
 *     static readonly IMAGENET1K_V1 = new ResNet18_Weights({
 *       url: "https://download.pytorch.org/models/resnet18-f37072fd.pth",
 *       transforms: imageClassification({ crop_size: 224 }),
 *       meta: { ...COMMON_META, num_params: 11689512, recipe: "https://…", _metrics: { … }, _docs: "…" },
 *     });
 *     static readonly DEFAULT = ResNet18_Weights.IMAGENET1K_V1;
 *   }
 *
 * `modelBuilder` (registry.ts) makes the function `resnet18` from it.
 */
import { KeyError } from "../../errors.ts";
import { load_state_dict_from_url, type StateDictOptions } from "../../hub/index.ts";
import type { StateDict } from "../../nn/state-dict.ts";
import { describe } from "../../shape.ts";
import { ImageClassification, type ImageClassificationOptions } from "../transforms/presets.ts";

/** What is known about weights. */
export interface WeightsMeta {
  readonly num_params: number;
  /** The names of the classes, in the order of the model's outputs; null where the weights have no classes. */
  readonly categories?: readonly string[] | null;
  /** The smallest picture, height and width, that the model takes. */
  readonly min_size?: readonly [number, number];
  /** The page that says how they were trained. */
  readonly recipe?: string;
  /** Accuracies in percent by data set. */
  readonly _metrics?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Thousand millions of multiplications for one picture. */
  readonly _ops?: number;
  /** Megabytes. */
  readonly _file_size?: number;
  readonly _docs?: string;
  readonly [key: string]: unknown;
}

/** Makes the transform that prepares a picture for a model; options replace those of the weights. */
export type TransformsFactory = (options?: Partial<ImageClassificationOptions>) => ImageClassification;

/** Where weights are, what prepares pictures for them, and what is known about them. */
export interface Weights {
  readonly url: string;
  readonly transforms: TransformsFactory;
  readonly meta: WeightsMeta;
}

/** The class of the weights of one model, as far as code for any model needs it. */
export interface WeightsClass<W extends WeightsEnum = WeightsEnum> {
  new (value: Weights): W;
  readonly name: string;
  readonly DEFAULT: W;
  verify(obj: unknown): W | null;
  members(): ReadonlyMap<string, W>;
}

/** The base class of all weights. The members of an enum are its static fields. */
export class WeightsEnum {
  readonly value: Weights;

  constructor(value: Weights) {
    this.value = value;
  }

  /** The members by name, with aliases such as DEFAULT. */
  static members<W extends WeightsEnum>(this: abstract new (value: Weights) => W): ReadonlyMap<string, W> {
    return new Map(Object.entries(this).filter((entry): entry is [string, W] => entry[1] instanceof WeightsEnum));
  }

  /** The member that `obj` is or names ("DEFAULT", "ResNet18_Weights.DEFAULT"); null for null. */
  static verify<W extends WeightsEnum>(this: abstract new (value: Weights) => W, obj: unknown): W | null {
    if (obj === null || obj === undefined || obj instanceof this) return obj ?? null;
    if (typeof obj !== "string") {
      throw new TypeError(`Invalid Weight class provided; expected ${this.name} but received ${describe(obj)}.`);
    }
    const members = WeightsEnum.members.call(this) as ReadonlyMap<string, W>;
    const member = members.get(obj.replace(`${this.name}.`, ""));
    if (member === undefined) throw new KeyError(`'${obj}' is none of ${this.name}: ${[...members.keys()].join(", ")}`);
    return member;
  }

  /** The member's own name: that of the first static field that holds it. */
  get name(): string {
    return Object.entries(this.constructor).find(([, member]) => member === this)?.[0] ?? "?";
  }

  get url(): string {
    return this.value.url;
  }

  /** `weights.transforms()` prepares a picture as in the training of these weights. */
  get transforms(): TransformsFactory {
    return this.value.transforms;
  }

  get meta(): WeightsMeta {
    return this.value.meta;
  }

  /** The weights, downloaded unless they are in the cache of `torch.hub`. */
  get_state_dict(options: StateDictOptions = {}): Promise<StateDict> {
    return load_state_dict_from_url(this.url, options) as Promise<StateDict>;
  }

  toString(): string {
    return `${this.constructor.name}.${this.name}`;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** `transforms` of weights for classification. */
export function imageClassification(fixed: ImageClassificationOptions): TransformsFactory {
  return (options = {}) => new ImageClassification({ ...fixed, ...options });
}
