/** Schedules of learning rates: https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate */
import { KeyError, ValueError } from "../errors.ts";
import { checkKeywords } from "../ops/define/schema.ts";
import { describe } from "../shape.ts";
import { Optimizer } from "./optimizer.ts";

type Group = Record<string, unknown> & { lr: number; initial_lr?: number };
/** Any optimizer: schedulers touch only the options of its groups. */
export type AnyOptimizer = Pick<Optimizer<object>, "param_groups" | "step">;

function groupsOf(optimizer: AnyOptimizer): Group[] {
  return optimizer.param_groups as unknown as Group[];
}

/** A schedule. Call `step()` after each epoch (or batch), after the optimizer's own. */
export abstract class LRScheduler {
  readonly optimizer: AnyOptimizer;
  readonly base_lrs: number[];
  last_epoch: number;
  protected lastRates: number[] = [];
  private stepCount = 0;

  constructor(optimizer: AnyOptimizer, last_epoch = -1) {
    if (!(optimizer instanceof Optimizer)) throw new TypeError(`${describe(optimizer)} is not an Optimizer`);
    this.optimizer = optimizer;
    groupsOf(optimizer).forEach((group, i) => {
      if (last_epoch === -1) group.initial_lr ??= group.lr;
      else if (group.initial_lr === undefined) {
        throw new KeyError(
          `param 'initial_lr' is not specified in param_groups[${i}] when resuming scheduler with last_epoch >= 0.`,
        );
      }
    });
    this.base_lrs = groupsOf(optimizer).map((group) => group.initial_lr as number);
    this.last_epoch = last_epoch;
  }

  /** Sets the first rates. Subclasses call it when their fields are there. */
  protected start(): void {
    this.step();
  }

  /** Rates of the groups for `this.last_epoch`, from the rates before. */
  abstract get_lr(): number[];

  /** The rates set last. */
  get_last_lr(): number[] {
    return this.lastRates;
  }

  /** Whether the first rates have not been set yet. */
  protected get isInitial(): boolean {
    return this.stepCount === 1;
  }

  protected get groups(): Group[] {
    return groupsOf(this.optimizer);
  }

  /** Goes to the next epoch. */
  step(): void {
    this.stepCount++;
    this.last_epoch++;
    const rates = this.get_lr();
    this.groups.forEach((group, i) => {
      group.lr = rates[i];
    });
    this.lastRates = this.groups.map((group) => group.lr);
  }

  /** Numbers and lists that say where the schedule is. */
  state_dict(): Record<string, unknown> {
    const { optimizer: _, stepCount, lastRates, ...rest } = this as unknown as Record<string, unknown>;
    const plain = Object.fromEntries(Object.entries(rest).filter(([, v]) => typeof v !== "function"));
    return { ...plain, _step_count: stepCount, _last_lr: lastRates };
  }

  load_state_dict(state: Readonly<Record<string, unknown>>): void {
    const { _step_count, _last_lr, ...rest } = state;
    for (const [key, value] of Object.entries(rest)) {
      if (Object.hasOwn(this, key)) (this as unknown as Record<string, unknown>)[key] = value;
    }
    if (typeof _step_count === "number") this.stepCount = _step_count;
    if (Array.isArray(_last_lr)) this.lastRates = [..._last_lr];
  }
}

interface Resume {
  readonly last_epoch?: number;
}

function options<T extends object>(name: string, given: T, allowed: readonly string[]): T {
  checkKeywords(`${name}.__init__`, given, [...allowed, "last_epoch"]);
  return given;
}

/** The initial rate times `lr_lambda(epoch)`: one function, or one for each group. */
export class LambdaLR extends LRScheduler {
  readonly lr_lambdas: ((epoch: number) => number)[];
  constructor(
    optimizer: AnyOptimizer,
    lr_lambda: ((epoch: number) => number) | ((epoch: number) => number)[],
    last_epoch = -1,
  ) {
    super(optimizer, last_epoch);
    const count = this.groups.length;
    this.lr_lambdas = Array.isArray(lr_lambda) ? lr_lambda : new Array(count).fill(lr_lambda);
    if (this.lr_lambdas.length !== count) {
      throw new ValueError(`Expected ${count} lr_lambdas, but got ${this.lr_lambdas.length}`);
    }
    this.start();
  }
  override get_lr(): number[] {
    return this.base_lrs.map((base, i) => base * this.lr_lambdas[i](this.last_epoch));
  }
}

/** The rate before times `lr_lambda(epoch)`. */
export class MultiplicativeLR extends LambdaLR {
  override get_lr(): number[] {
    if (this.last_epoch <= 0) return this.groups.map((group) => group.lr);
    return this.groups.map((group, i) => group.lr * this.lr_lambdas[i](this.last_epoch));
  }
}

/** Times `gamma` every `step_size` epochs. */
export class StepLR extends LRScheduler {
  step_size: number;
  gamma: number;
  constructor(
    optimizer: AnyOptimizer,
    step_size: number | ({ step_size: number; gamma?: number } & Resume),
    given: number | ({ gamma?: number } & Resume) = {},
  ) {
    const o =
      typeof step_size === "object"
        ? step_size
        : { step_size, ...(typeof given === "number" ? { gamma: given } : given) };
    options("StepLR", o, ["step_size", "gamma"]);
    super(optimizer, o.last_epoch ?? -1);
    this.step_size = o.step_size;
    this.gamma = o.gamma ?? 0.1;
    this.start();
  }
  override get_lr(): number[] {
    const keep = this.last_epoch === 0 || this.last_epoch % this.step_size !== 0;
    return this.groups.map((group) => (keep ? group.lr : group.lr * this.gamma));
  }
}

/** Times `gamma` at each of the `milestones`. */
export class MultiStepLR extends LRScheduler {
  milestones: number[];
  gamma: number;
  constructor(
    optimizer: AnyOptimizer,
    milestones: readonly number[] | ({ milestones: readonly number[]; gamma?: number } & Resume),
    given: number | ({ gamma?: number } & Resume) = {},
  ) {
    const o = isList(milestones)
      ? { milestones, ...(typeof given === "number" ? { gamma: given } : given) }
      : milestones;
    options("MultiStepLR", o, ["milestones", "gamma"]);
    super(optimizer, o.last_epoch ?? -1);
    this.milestones = [...o.milestones];
    this.gamma = o.gamma ?? 0.1;
    this.start();
  }
  override get_lr(): number[] {
    const hits = this.milestones.filter((m) => m === this.last_epoch).length;
    return this.groups.map((group) => (hits === 0 ? group.lr : group.lr * this.gamma ** hits));
  }
}

function isList(x: unknown): x is readonly number[] {
  return Array.isArray(x);
}

/** Times `factor` for the first `total_iters` epochs. */
export class ConstantLR extends LRScheduler {
  factor: number;
  total_iters: number;
  constructor(optimizer: AnyOptimizer, given: { factor?: number; total_iters?: number } & Resume = {}) {
    const o = options("ConstantLR", given, ["factor", "total_iters"]);
    super(optimizer, o.last_epoch ?? -1);
    this.factor = o.factor ?? 1 / 3;
    this.total_iters = o.total_iters ?? 5;
    if (this.factor > 1 || this.factor < 0)
      throw new ValueError("Constant multiplicative factor expected to be between 0 and 1.");
    this.start();
  }
  override get_lr(): number[] {
    if (this.last_epoch === 0) return this.groups.map((group) => group.lr * this.factor);
    if (this.last_epoch !== this.total_iters) return this.groups.map((group) => group.lr);
    return this.groups.map((group) => group.lr * (1 / this.factor));
  }
}

/** Times a factor that goes linearly from `start_factor` to `end_factor` within `total_iters` epochs. */
export class LinearLR extends LRScheduler {
  start_factor: number;
  end_factor: number;
  total_iters: number;
  constructor(
    optimizer: AnyOptimizer,
    given: { start_factor?: number; end_factor?: number; total_iters?: number } & Resume = {},
  ) {
    const o = options("LinearLR", given, ["start_factor", "end_factor", "total_iters"]);
    super(optimizer, o.last_epoch ?? -1);
    this.start_factor = o.start_factor ?? 1 / 3;
    this.end_factor = o.end_factor ?? 1;
    this.total_iters = o.total_iters ?? 5;
    if (this.start_factor > 1 || this.start_factor <= 0) {
      throw new ValueError("Starting multiplicative factor expected to be greater than 0 and less or equal to 1.");
    }
    if (this.end_factor > 1 || this.end_factor < 0)
      throw new ValueError("Ending multiplicative factor expected to be between 0 and 1.");
    this.start();
  }
  override get_lr(): number[] {
    const { start_factor: a, end_factor: b, total_iters: n, last_epoch: t } = this;
    if (t === 0) return this.groups.map((group) => group.lr * a);
    if (t > n) return this.groups.map((group) => group.lr);
    return this.groups.map((group) => group.lr * (1 + (b - a) / (n * a + (t - 1) * (b - a))));
  }
}

/** Times `gamma` every epoch. */
export class ExponentialLR extends LRScheduler {
  gamma: number;
  constructor(optimizer: AnyOptimizer, gamma: number | ({ gamma: number } & Resume), last_epoch = -1) {
    const o = typeof gamma === "number" ? { gamma, last_epoch } : options("ExponentialLR", gamma, ["gamma"]);
    super(optimizer, o.last_epoch ?? -1);
    this.gamma = o.gamma;
    this.start();
  }
  override get_lr(): number[] {
    return this.groups.map((group) => (this.last_epoch === 0 ? group.lr : group.lr * this.gamma));
  }
}

/** Polynomial decay to 0 within `total_iters` epochs. */
export class PolynomialLR extends LRScheduler {
  total_iters: number;
  power: number;
  constructor(optimizer: AnyOptimizer, given: { total_iters?: number; power?: number } & Resume = {}) {
    const o = options("PolynomialLR", given, ["total_iters", "power"]);
    super(optimizer, o.last_epoch ?? -1);
    this.total_iters = o.total_iters ?? 5;
    this.power = o.power ?? 1;
    this.start();
  }
  override get_lr(): number[] {
    const { last_epoch: t, total_iters: n } = this;
    if (t === 0 || t > n) return this.groups.map((group) => group.lr);
    const factor = ((1 - t / n) / (1 - (t - 1) / n)) ** this.power;
    return this.groups.map((group) => group.lr * factor);
  }
}

/** A cosine from the initial rate to `eta_min` in `T_max` epochs, and back: Loshchilov and Hutter (2017), without restarts. */
export class CosineAnnealingLR extends LRScheduler {
  T_max: number;
  eta_min: number;
  constructor(
    optimizer: AnyOptimizer,
    T_max: number | ({ T_max: number; eta_min?: number } & Resume),
    given: number | ({ eta_min?: number } & Resume) = {},
  ) {
    const o =
      typeof T_max === "object" ? T_max : { T_max, ...(typeof given === "number" ? { eta_min: given } : given) };
    options("CosineAnnealingLR", o, ["T_max", "eta_min"]);
    super(optimizer, o.last_epoch ?? -1);
    this.T_max = o.T_max;
    this.eta_min = o.eta_min ?? 0;
    this.start();
  }
  override get_lr(): number[] {
    const { last_epoch: t, T_max: n, eta_min: low } = this;
    if (t === 0) return this.groups.map((group) => group.lr);
    if (this.isInitial && t > 0) {
      return this.base_lrs.map((base) => low + ((base - low) * (1 + Math.cos((t * Math.PI) / n))) / 2);
    }
    if ((t - 1 - n) % (2 * n) === 0) {
      return this.groups.map((group, i) => group.lr + ((this.base_lrs[i] - low) * (1 - Math.cos(Math.PI / n))) / 2);
    }
    const ratio = (1 + Math.cos((Math.PI * t) / n)) / (1 + Math.cos((Math.PI * (t - 1)) / n));
    return this.groups.map((group) => ratio * (group.lr - low) + low);
  }
}

/** The same with warm restarts: every `T_0` epochs at first, each period `T_mult` times as long as the one before. */
export class CosineAnnealingWarmRestarts extends LRScheduler {
  T_0: number;
  T_i: number;
  T_mult: number;
  eta_min: number;
  T_cur: number;
  constructor(
    optimizer: AnyOptimizer,
    T_0: number | ({ T_0: number; T_mult?: number; eta_min?: number } & Resume),
    given: { T_mult?: number; eta_min?: number } & Resume = {},
  ) {
    const o = typeof T_0 === "object" ? T_0 : { T_0, ...given };
    options("CosineAnnealingWarmRestarts", o, ["T_0", "T_mult", "eta_min"]);
    if (o.T_0 <= 0 || !Number.isInteger(o.T_0)) throw new ValueError(`Expected positive integer T_0, but got ${o.T_0}`);
    const multiple = o.T_mult ?? 1;
    if (multiple < 1 || !Number.isInteger(multiple))
      throw new ValueError(`Expected integer T_mult >= 1, but got ${multiple}`);
    super(optimizer, o.last_epoch ?? -1);
    this.T_0 = o.T_0;
    this.T_i = o.T_0;
    this.T_mult = multiple;
    this.eta_min = o.eta_min ?? 0;
    this.T_cur = this.last_epoch;
    this.start();
  }
  override get_lr(): number[] {
    return this.base_lrs.map(
      (base) => this.eta_min + ((base - this.eta_min) * (1 + Math.cos((Math.PI * this.T_cur) / this.T_i))) / 2,
    );
  }
  override step(): void {
    this.T_cur++;
    if (this.T_cur >= this.T_i) {
      this.T_cur -= this.T_i;
      this.T_i *= this.T_mult;
    }
    super.step();
  }
}

export interface OneCycleOptions extends Resume {
  max_lr: number | readonly number[];
  total_steps?: number | null;
  epochs?: number | null;
  steps_per_epoch?: number | null;
  pct_start?: number;
  anneal_strategy?: "cos" | "linear";
  cycle_momentum?: boolean;
  base_momentum?: number | readonly number[];
  max_momentum?: number | readonly number[];
  div_factor?: number;
  final_div_factor?: number;
  three_phase?: boolean;
}

interface Phase {
  readonly end: number;
  readonly rate: readonly [string, string];
  readonly momentum: readonly [string, string];
}

function perGroup(value: number | readonly number[], count: number, name: string): number[] {
  if (typeof value === "number") return new Array(count).fill(value);
  if (value.length !== count) throw new ValueError(`expected ${count} values for ${name}, got ${value.length}`);
  return [...value];
}

/** Up to `max_lr` and down far below, with momentum the other way round: Smith and Topin (2018). Step after every batch. */
export class OneCycleLR extends LRScheduler {
  total_steps: number;
  readonly cycle_momentum: boolean;
  private readonly phases: Phase[];
  private readonly linear: boolean;
  private readonly useBeta1: boolean;

  constructor(
    optimizer: AnyOptimizer,
    max_lr: number | readonly number[] | OneCycleOptions,
    given: Partial<OneCycleOptions> = {},
  ) {
    const o: OneCycleOptions = typeof max_lr === "object" && !isList(max_lr) ? max_lr : { ...given, max_lr };
    const names = [
      "max_lr",
      "total_steps",
      "epochs",
      "steps_per_epoch",
      "pct_start",
      "anneal_strategy",
      "cycle_momentum",
    ];
    options("OneCycleLR", o, [
      ...names,
      "base_momentum",
      "max_momentum",
      "div_factor",
      "final_div_factor",
      "three_phase",
    ]);
    const total = totalSteps(o);
    const start = o.pct_start ?? 0.3;
    if (start < 0 || start > 1) throw new ValueError(`Expected float between 0 and 1 pct_start, but got ${start}`);
    const strategy = o.anneal_strategy ?? "cos";
    if (strategy !== "cos" && strategy !== "linear") {
      throw new ValueError(`anneal_strategy must be one of 'cos' or 'linear', instead got ${String(strategy)}`);
    }
    const groups = groupsOf(optimizer);
    const lastEpoch = o.last_epoch ?? -1;
    const { div_factor = 25, final_div_factor = 1e4, base_momentum = 0.85, max_momentum = 0.95 } = o;
    const cycle = o.cycle_momentum ?? true;
    const beta1 = groups[0].betas !== undefined;
    if (cycle && !beta1 && !(typeof groups[0].momentum === "number" || groups[0].momentum !== undefined)) {
      throw new ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled");
    }
    if (lastEpoch === -1) {
      const highs = perGroup(o.max_lr, groups.length, "max_lr");
      const lows = perGroup(base_momentum, groups.length, "base_momentum");
      const tops = perGroup(max_momentum, groups.length, "max_momentum");
      groups.forEach((group, i) => {
        group.initial_lr = highs[i] / div_factor;
        group.max_lr = highs[i];
        group.min_lr = (group.initial_lr as number) / final_div_factor;
        if (!cycle) return;
        setMomentum(group, tops[i], beta1);
        group.max_momentum = tops[i];
        group.base_momentum = lows[i];
      });
    }
    super(optimizer, lastEpoch);
    this.total_steps = total;
    this.cycle_momentum = cycle;
    this.linear = strategy === "linear";
    this.useBeta1 = beta1;
    this.phases = phasesOf(total, start, o.three_phase ?? false);
    this.start();
  }

  override get_lr(): number[] {
    const step = this.last_epoch;
    if (step > this.total_steps) {
      throw new ValueError(`Tried to step ${step} times. The specified number of total steps is ${this.total_steps}`);
    }
    return this.groups.map((group) => {
      let start = 0;
      for (let i = 0; i < this.phases.length; i++) {
        const phase = this.phases[i];
        if (step <= phase.end || i === this.phases.length - 1) {
          const portion = (step - start) / (phase.end - start);
          const value = ([from, to]: readonly [string, string]): number =>
            this.anneal(group[from] as number, group[to] as number, portion);
          if (this.cycle_momentum) setMomentum(group, value(phase.momentum), this.useBeta1);
          return value(phase.rate);
        }
        start = phase.end;
      }
      return group.lr;
    });
  }

  private anneal(from: number, to: number, portion: number): number {
    if (this.linear) return (to - from) * portion + from;
    return to + ((from - to) / 2) * (Math.cos(Math.PI * portion) + 1);
  }

  override state_dict(): Record<string, unknown> {
    const { phases: _, ...rest } = super.state_dict();
    return rest;
  }
}

function totalSteps(o: OneCycleOptions): number {
  if (o.total_steps !== undefined && o.total_steps !== null) {
    if (o.total_steps <= 0 || !Number.isInteger(o.total_steps)) {
      throw new ValueError(`Expected positive integer total_steps, but got ${o.total_steps}`);
    }
    return o.total_steps;
  }
  const { epochs, steps_per_epoch } = o;
  if (epochs === undefined || epochs === null || steps_per_epoch === undefined || steps_per_epoch === null) {
    throw new ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)");
  }
  if (epochs <= 0 || !Number.isInteger(epochs))
    throw new ValueError(`Expected positive integer epochs, but got ${epochs}`);
  if (steps_per_epoch <= 0 || !Number.isInteger(steps_per_epoch)) {
    throw new ValueError(`Expected positive integer steps_per_epoch, but got ${steps_per_epoch}`);
  }
  return epochs * steps_per_epoch;
}

function phasesOf(total: number, start: number, three: boolean): Phase[] {
  const up: Phase = {
    end: start * total - 1,
    rate: ["initial_lr", "max_lr"],
    momentum: ["max_momentum", "base_momentum"],
  };
  if (!three) return [up, { end: total - 1, rate: ["max_lr", "min_lr"], momentum: ["base_momentum", "max_momentum"] }];
  return [
    up,
    { end: 2 * start * total - 2, rate: ["max_lr", "initial_lr"], momentum: ["base_momentum", "max_momentum"] },
    { end: total - 1, rate: ["initial_lr", "min_lr"], momentum: ["max_momentum", "max_momentum"] },
  ];
}

function setMomentum(group: Group, value: number, beta1: boolean): void {
  if (beta1) group.betas = [value, ...(group.betas as number[]).slice(1)];
  else group.momentum = value;
}

/** One schedule after another; the next begins at each of the `milestones`. */
export class SequentialLR extends LRScheduler {
  private readonly schedulers: LRScheduler[];
  private readonly milestones: number[];
  constructor(
    optimizer: AnyOptimizer,
    schedulers: readonly LRScheduler[],
    milestones: readonly number[],
    last_epoch = -1,
  ) {
    if (schedulers.length < 1)
      throw new ValueError("SequentialLR expects at least one scheduler to be chained, but got no scheduler.");
    for (const s of schedulers) {
      if (s.optimizer !== optimizer)
        throw new ValueError("SequentialLR expects all schedulers to belong to the same optimizer");
    }
    if (milestones.length !== schedulers.length - 1) {
      throw new ValueError(
        `Sequential Schedulers expects number of schedulers provided to be one more than the number of milestone points, but got number of schedulers ${schedulers.length} and the number of milestones to be equal to ${milestones.length}`,
      );
    }
    super(optimizer, last_epoch);
    this.schedulers = [...schedulers];
    this.milestones = [...milestones];
    this.last_epoch = last_epoch + 1;
    // The schedulers have each set a first rate: start over with the first one's.
    for (const group of this.groups) group.lr = group.initial_lr as number;
    for (const s of this.schedulers) s.last_epoch--;
    restart(this.schedulers[0]);
    this.lastRates = this.schedulers[0].get_last_lr();
  }
  override get_lr(): number[] {
    return this.lastRates;
  }
  override step(): void {
    this.last_epoch++;
    const at = this.milestones.filter((m) => m <= this.last_epoch).length;
    const scheduler = this.schedulers[at];
    if (at > 0 && this.milestones[at - 1] === this.last_epoch) {
      scheduler.last_epoch = -1;
      // A schedule counts from the initial rate.
      for (const group of this.groups) group.lr = group.initial_lr as number;
      restart(scheduler);
    } else scheduler.step();
    this.lastRates = scheduler.get_last_lr();
  }
}

function restart(scheduler: LRScheduler): void {
  scheduler.step();
}

export interface PlateauOptions {
  mode?: "min" | "max";
  factor?: number;
  patience?: number;
  threshold?: number;
  threshold_mode?: "rel" | "abs";
  cooldown?: number;
  min_lr?: number | readonly number[];
  eps?: number;
}

/** Times `factor` when a metric has not improved for `patience` epochs: call `step(metric)`. */
export class ReduceLROnPlateau {
  readonly optimizer: AnyOptimizer;
  readonly mode: "min" | "max";
  readonly factor: number;
  readonly patience: number;
  readonly threshold: number;
  readonly threshold_mode: "rel" | "abs";
  readonly cooldown: number;
  readonly eps: number;
  readonly min_lrs: number[];
  best: number;
  num_bad_epochs = 0;
  cooldown_counter = 0;
  last_epoch = 0;
  private lastRates: number[];

  constructor(optimizer: AnyOptimizer, given: PlateauOptions = {}) {
    checkKeywords("ReduceLROnPlateau.__init__", given, [
      "mode",
      "factor",
      "patience",
      "threshold",
      "threshold_mode",
      "cooldown",
      "min_lr",
      "eps",
    ]);
    if (!(optimizer instanceof Optimizer)) throw new TypeError(`${describe(optimizer)} is not an Optimizer`);
    this.optimizer = optimizer;
    this.mode = given.mode ?? "min";
    this.factor = given.factor ?? 0.1;
    if (this.factor >= 1) throw new ValueError("Factor should be < 1.0.");
    if (this.mode !== "min" && this.mode !== "max") throw new ValueError(`mode ${String(this.mode)} is unknown!`);
    this.threshold_mode = given.threshold_mode ?? "rel";
    if (this.threshold_mode !== "rel" && this.threshold_mode !== "abs") {
      throw new ValueError(`threshold mode ${String(this.threshold_mode)} is unknown!`);
    }
    this.patience = given.patience ?? 10;
    this.threshold = given.threshold ?? 1e-4;
    this.cooldown = given.cooldown ?? 0;
    this.eps = given.eps ?? 1e-8;
    this.min_lrs = perGroup(given.min_lr ?? 0, groupsOf(optimizer).length, "min_lrs");
    this.best = this.mode === "min" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
    this.lastRates = groupsOf(optimizer).map((group) => group.lr);
  }

  private improves(value: number): boolean {
    const margin = this.threshold_mode === "rel" ? this.best * this.threshold : this.threshold;
    if (this.threshold_mode === "rel") {
      return this.mode === "min" ? value < this.best * (1 - this.threshold) : value > this.best * (1 + this.threshold);
    }
    return this.mode === "min" ? value < this.best - margin : value > this.best + margin;
  }

  step(metrics: number | { item(): unknown }): void {
    const value = typeof metrics === "number" ? metrics : Number(metrics.item());
    this.last_epoch++;
    if (this.improves(value)) {
      this.best = value;
      this.num_bad_epochs = 0;
    } else this.num_bad_epochs++;
    if (this.cooldown_counter > 0) {
      this.cooldown_counter--;
      this.num_bad_epochs = 0;
    }
    if (this.num_bad_epochs > this.patience) {
      groupsOf(this.optimizer).forEach((group, i) => {
        const next = Math.max(group.lr * this.factor, this.min_lrs[i]);
        if (group.lr - next > this.eps) group.lr = next;
      });
      this.cooldown_counter = this.cooldown;
      this.num_bad_epochs = 0;
    }
    this.lastRates = groupsOf(this.optimizer).map((group) => group.lr);
  }

  get_last_lr(): number[] {
    return this.lastRates;
  }

  state_dict(): Record<string, unknown> {
    const { optimizer: _, lastRates, ...rest } = this as unknown as Record<string, unknown>;
    return { ...rest, _last_lr: lastRates };
  }

  load_state_dict(state: Readonly<Record<string, unknown>>): void {
    for (const [key, value] of Object.entries(state)) {
      if (Object.hasOwn(this, key)) (this as unknown as Record<string, unknown>)[key] = value;
    }
    if (Array.isArray(state._last_lr)) this.lastRates = [...state._last_lr];
  }
}
