/**
 * The table of models. A family declares each model in a few lines, with the weights of weights.ts:
 *
 *   export const resnet18 = modelBuilder(
 *     "resnet18",
 *     ResNet18_Weights,
 *     (config: ResNetOptions) => new ResNet(BasicBlock, [2, 2, 2, 2], config),
 *   );
 *
 * which makes, names and registers the function that users call:
 *
 *   const net = resnet18();                                    // at once: ResNet
 *   const net = resnet18({ num_classes: 10 });
 *   const net = await resnet18({ weights: "DEFAULT" });        // Promise<ResNet>: weights may have to be downloaded
 *   const net = await resnet18({ weights: ResNet18_Weights.IMAGENET1K_V1, progress: false });
 *   const net = await resnet18({ pretrained: true });          // deprecated, as in torchvision
 *
 * What the builder of torchvision does with weights beyond loading them goes here:
 * - `num_classes` is set from the categories of the weights by itself;
 * - other options that weights fix: the build function gets the weights, or null, as its second argument:
 *     (config: ViTOptions, weights) =>
 *       new VisionTransformer(16, …, weights === null ? config : overwriteNamedParam(config, "image_size", 384))
 * - old names in the file: `{ convert: (state) => newState }` as the last argument;
 * - changes of the model after loading: `{ loaded: (model, config) => … }`, where `config` is what the user gave.
 */
import { ValueError } from "../../errors.ts";
import type { ProgressOption } from "../../hub/index.ts";
import type { Module } from "../../nn/module.ts";
import type { StateDict } from "../../nn/state-dict.ts";
import { isOptions } from "../../ops/define/schema.ts";
import { describe } from "../../shape.ts";
import { type WeightsClass, WeightsEnum } from "./weights.ts";

/** A member of a weights class, or its name, such as "DEFAULT". */
export type WeightsArgument<W extends WeightsEnum = WeightsEnum> = W | "DEFAULT" | "IMAGENET1K_V1" | (string & {});

interface DownloadOptions {
  /** Show how the download proceeds on stderr; or a function that is told. Default true. */
  readonly progress?: ProgressOption;
}

/** The options with which a model gets weights. */
export type WithWeights<W extends WeightsEnum = WeightsEnum> = DownloadOptions &
  ({ readonly weights: WeightsArgument<W>; readonly pretrained?: undefined } | LegacyWeights);

interface LegacyWeights {
  /** @deprecated Use `weights`. */
  readonly pretrained: true;
  readonly weights?: undefined;
}

/** The options with which it gets none. */
export interface WithoutWeights extends DownloadOptions {
  readonly weights?: null | undefined;
  /** @deprecated Use `weights`. */
  readonly pretrained?: false | undefined;
}

/** The function that makes a model: at once without weights, as a promise with weights. */
export interface ModelBuilder<
  M extends Module = Module,
  C extends object = object,
  W extends WeightsEnum = WeightsEnum,
> {
  (config: C & WithWeights<W>): Promise<M>;
  (config?: C & WithoutWeights): M;
  (config: C & DownloadOptions & { readonly weights: WeightsArgument<W> | null }): M | Promise<M>;
  /** The class of this model's weights. */
  readonly weights: WeightsClass<W>;
}

/** A function that makes a model. */
export type AnyBuilder = (config: never) => Module | Promise<Module>;

const models = new Map<string, AnyBuilder>();
const weightsClasses = new Map<string, WeightsClass>();

/** Enters a function into the table of models, under its own name by default: `register_model()(my_model)`. */
export function register_model(name: string | null = null): <F extends AnyBuilder>(builder: F) => F {
  return (builder) => {
    const key = name ?? builder.name;
    if (models.has(key)) throw new ValueError(`An entry is already registered under the name '${key}'.`);
    models.set(key, builder);
    return builder;
  };
}

/** What else a family does when a model gets weights. */
export interface WeightsHooks<M extends Module, C extends object> {
  /** Turns what the file holds into the model's state dict. */
  readonly convert?: (state: StateDict) => StateDict;
  /** Changes the model after its weights were loaded. `config` is what the user gave. */
  readonly loaded?: (model: M, config: C) => void;
}

/** Declares a model: see the top of this file. */
export function modelBuilder<C extends object, M extends Module, W extends WeightsEnum>(
  name: string,
  weightsClass: WeightsClass<W>,
  build: (config: C, weights: W | null) => M,
  { convert = (state) => state, loaded }: WeightsHooks<M, C> = {},
): ModelBuilder<M, C, W> {
  const builder = (options: C & Record<string, unknown> = {} as C & Record<string, unknown>): M | Promise<M> => {
    if (!isOptions(options)) {
      throw new TypeError(
        `${name}() takes its arguments by keyword, as ${name}({ weights }), not a ${describe(options)}`,
      );
    }
    const { weights: weightsArgument, pretrained, progress = true, ...rest } = options;
    const config = rest as unknown as C;
    const chosen =
      pretrained === undefined && isCurrent(weightsArgument)
        ? weightsArgument
        : legacyWeights(name, weightsClass, { weights: weightsArgument, pretrained });
    if (chosen === null || chosen === undefined) return build(config, null);
    return (async () => {
      const weights = weightsClass.verify(chosen) as W;
      const { categories } = weights.meta;
      const model = build(categories ? overwriteNamedParam(config, "num_classes", categories.length) : config, weights);
      const state = await weights.get_state_dict({ progress: progress as ProgressOption, check_hash: true });
      model.load_state_dict(convert(state));
      loaded?.(model, config);
      return model;
    })();
  };
  Object.defineProperty(builder, "name", { value: name });
  weightsClasses.set(weightsClass.name, weightsClass);
  const named = Object.assign(builder, { weights: weightsClass }) as unknown as ModelBuilder<M, C, W>;
  return register_model(name)(named);
}

/** `config` with `name` set to what the weights demand. Throws ValueError where the user asked for something else. */
export function overwriteNamedParam<C extends object>(config: C, name: string, value: unknown): C {
  const given = (config as Record<string, unknown>)[name];
  if (given !== undefined && given !== value) {
    throw new ValueError(`The parameter '${name}' expected value ${value} but got ${given} instead.`);
  }
  return { ...config, [name]: value };
}

/** Whether an argument `weights` is what today's interface takes. */
function isCurrent(weights: unknown): boolean {
  if (weights === null || weights === undefined || weights instanceof WeightsEnum) return true;
  return typeof weights === "string" && weights !== "legacy";
}

/** The weights that the interface before torchvision 0.13 meant with `pretrained: true`: the first ones. Warns. */
function legacyWeights(
  model: string,
  weightsClass: WeightsClass,
  given: { readonly weights: unknown; readonly pretrained: unknown },
): WeightsEnum | null {
  const asWeights = given.pretrained === undefined;
  const legacy = weightsClass.members().get("IMAGENET1K_V1");
  const wanted = Boolean(asWeights ? given.weights : given.pretrained);
  if (wanted && legacy === undefined) throw new ValueError(`No weights available for model ${model}`);
  if (!asWeights) {
    warn(
      "The parameter 'pretrained' is deprecated since 0.13 and may be removed in the future, please use 'weights' instead.",
    );
  }
  const chosen = wanted && legacy !== undefined ? legacy : null;
  const advice = ` You can also use \`weights=${weightsClass.name}.DEFAULT\` to get the most up-to-date weights.`;
  warn(
    "Arguments other than a weight enum or `None` for 'weights' are deprecated since 0.13 and may be removed in the " +
      `future. The current behavior is equivalent to passing \`weights=${chosen ?? "None"}\`.${wanted ? advice : ""}`,
  );
  return chosen;
}

const warned = new Set<string>();

function warn(text: string): void {
  if (!warned.has(text)) console.warn(`UserWarning: ${text}`);
  warned.add(text);
}

/** Which models to list. */
export interface ListModelsOptions {
  /** Only those that this namespace exports, such as `vision.models`. */
  readonly module?: object | null;
  /** Wildcards as in a shell (`*`, `?`, `[a-z]`): models that match any of them. */
  readonly include?: string | Iterable<string> | null;
  /** Models that match any of them are left out. */
  readonly exclude?: string | Iterable<string> | null;
}

/** The names of the registered models, sorted. */
export function list_models({ module, include, exclude }: ListModelsOptions = {}): string[] {
  const exported = module ? new Set<unknown>(Object.values(module)) : null;
  const included = include ? patterns(include) : [];
  const excluded = exclude ? patterns(exclude) : [];
  return [...models]
    .filter(([, builder]) => exported === null || exported.has(builder))
    .map(([name]) => name)
    .filter((name) => included.length === 0 || included.some((pattern) => pattern.test(name)))
    .filter((name) => !excluded.some((pattern) => pattern.test(name)))
    .sort();
}

function patterns(filters: string | Iterable<string>): RegExp[] {
  return (typeof filters === "string" ? [filters] : [...filters]).map(shellPattern);
}

/** Python's `fnmatch`. */
function shellPattern(pattern: string): RegExp {
  const source = pattern.replace(
    /\[(!?)([^\]]+)\]|[\s\S]/g,
    (part, not: string | undefined, set: string | undefined) => {
      if (set !== undefined) return `[${not ? "^" : ""}${set.replace(/[\\\]^]/g, "\\$&")}]`;
      if (part === "*") return ".*";
      return part === "?" ? "." : part.replace(/[.+^${}()|[\]\\/]/, "\\$&");
    },
  );
  return new RegExp(`^${source}$`, "s");
}

/** The function that makes the model registered under `name`. */
export function get_model_builder(name: string): ModelBuilder {
  const builder = models.get(name.toLowerCase());
  if (builder === undefined) throw new ValueError(`Unknown model ${name.toLowerCase()}`);
  return builder as unknown as ModelBuilder;
}

/** A model by its name: `get_model("resnet18")`, `await get_model("resnet18", { weights: "DEFAULT" })`. */
export function get_model(name: string, config: Readonly<Record<string, unknown>> & WithWeights): Promise<Module>;
export function get_model(name: string, config?: Readonly<Record<string, unknown>> & WithoutWeights): Module;
export function get_model(name: string, config: object = {}): Module | Promise<Module> {
  return (get_model_builder(name) as unknown as (config: object) => Module | Promise<Module>)(config);
}

/** The class of the weights of a model, given by name or by its function. */
export function get_model_weights(name: string | { readonly weights?: WeightsClass }): WeightsClass {
  const { weights } = typeof name === "string" ? get_model_builder(name) : name;
  if (weights === undefined) throw new ValueError("The method is missing the 'weights' argument.");
  return weights;
}

/** Weights by their full name, such as "ResNet50_Weights.IMAGENET1K_V1". */
export function get_weight(name: string): WeightsEnum {
  const parts = name.split(".");
  if (parts.length !== 2) throw new ValueError(`Invalid weight name provided: '${name}'.`);
  const [className, member] = parts as [string, string];
  const weightsClass = weightsClasses.get(className);
  if (weightsClass === undefined) {
    throw new ValueError(`The weight enum '${className}' for the specific method couldn't be retrieved.`);
  }
  return weightsClass.verify(member) as WeightsEnum;
}
