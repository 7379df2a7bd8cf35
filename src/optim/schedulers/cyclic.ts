/** Schedules that go up and down again, with momentum the other way round. */
import { ValueError } from "../../errors.ts";
import {
  groupsOf,
  LRScheduler,
  momentumIsBeta1,
  perGroup,
  type Resume,
  requireOptimizer,
  type ScheduleArguments,
  scheduleArguments,
  setMomentum,
} from "./base.ts";

export interface OneCycleOptions {
  /** The peak, for all groups or for each. */
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

type OneCycleArguments = ScheduleArguments<
  OneCycleOptions,
  [max_lr: number | readonly number[]],
  [total_steps?: number | null, epochs?: number | null, steps_per_epoch?: number | null, pct_start?: number]
>;

interface Phase {
  readonly end: number;
  readonly rate: readonly [string, string];
  readonly momentum: readonly [string, string];
}

/** Up to `max_lr` and down far below, with momentum the other way round: Smith and Topin (2018). Step after every batch. */
export class OneCycleLR extends LRScheduler {
  total_steps: number;
  readonly cycle_momentum: boolean;
  private readonly phases: Phase[];
  private readonly linear: boolean;
  private readonly useBeta1: boolean;

  constructor(...args: OneCycleArguments) {
    const o = scheduleArguments<OneCycleOptions>(
      'OneCycleLR.__init__(any optimizer, any max_lr, int? total_steps=None, int? epochs=None, int? steps_per_epoch=None, float pct_start=0.3, str anneal_strategy="cos", bool cycle_momentum=True, any base_momentum=0.85, any max_momentum=0.95, float div_factor=25, float final_div_factor=10000, bool three_phase=False, int last_epoch=-1)',
      args,
    );
    const total = totalSteps(o);
    if (o.pct_start < 0 || o.pct_start > 1) {
      throw new ValueError(`Expected float between 0 and 1 pct_start, but got ${o.pct_start}`);
    }
    if (o.anneal_strategy !== "cos" && o.anneal_strategy !== "linear") {
      throw new ValueError(
        `anneal_strategy must be one of 'cos' or 'linear', instead got ${String(o.anneal_strategy)}`,
      );
    }
    requireOptimizer(o.optimizer);
    const beta1 = o.cycle_momentum ? momentumIsBeta1(o.optimizer) : false;
    if (o.last_epoch === -1) setRange(o, beta1);
    super(o.optimizer, o.last_epoch);
    this.total_steps = total;
    this.cycle_momentum = o.cycle_momentum;
    this.linear = o.anneal_strategy === "linear";
    this.useBeta1 = beta1;
    this.phases = phasesOf(total, o.pct_start, o.three_phase);
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

/** Puts the rates and momenta between which the cycle goes into the groups. */
function setRange(o: Required<OneCycleOptions & Resume>, beta1: boolean): void {
  const groups = groupsOf(o.optimizer);
  const highs = perGroup(o.max_lr, groups.length, "max_lr");
  const lows = perGroup(o.base_momentum, groups.length, "base_momentum");
  const tops = perGroup(o.max_momentum, groups.length, "max_momentum");
  groups.forEach((group, i) => {
    group.initial_lr = highs[i] / o.div_factor;
    group.max_lr = highs[i];
    group.min_lr = group.initial_lr / o.final_div_factor;
    if (!o.cycle_momentum) return;
    setMomentum(group, tops[i], beta1);
    group.max_momentum = tops[i];
    group.base_momentum = lows[i];
  });
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

export interface CyclicOptions {
  readonly base_lr: number | readonly number[];
  readonly max_lr: number | readonly number[];
  /** Steps from `base_lr` to `max_lr`. Default 2000. */
  readonly step_size_up?: number;
  /** Steps back. Default `step_size_up`. */
  readonly step_size_down?: number | null;
  /** "triangular2" halves the height with each cycle, "exp_range" multiplies it by `gamma` with each step. */
  readonly mode?: "triangular" | "triangular2" | "exp_range";
  readonly gamma?: number;
  /** A scale of one's own, of the cycle (from 1) or of the step. */
  readonly scale_fn?: ((x: number) => number) | null;
  readonly scale_mode?: "cycle" | "iterations";
  readonly cycle_momentum?: boolean;
  readonly base_momentum?: number | readonly number[];
  readonly max_momentum?: number | readonly number[];
}

type CyclicArguments = ScheduleArguments<
  CyclicOptions,
  [base_lr: number | readonly number[], max_lr: number | readonly number[]],
  [step_size_up?: number, step_size_down?: number | null]
>;

/** Triangles between two rates: Smith (2017), https://arxiv.org/abs/1506.01186. Step after every batch. */
export class CyclicLR extends LRScheduler {
  readonly max_lrs: readonly number[];
  total_size: number;
  step_ratio: number;
  readonly mode: string;
  readonly gamma: number;
  private readonly lows: readonly number[];
  private readonly scaleFunction: (x: number) => number;
  private readonly byCycle: boolean;
  private readonly momenta: {
    readonly base: readonly number[];
    readonly max: readonly number[];
    readonly beta1: boolean;
  } | null;

  constructor(...args: CyclicArguments) {
    const o = scheduleArguments<CyclicOptions>(
      'CyclicLR.__init__(any optimizer, any base_lr, any max_lr, int step_size_up=2000, int? step_size_down=None, str mode="triangular", float gamma=1, any? scale_fn=None, str scale_mode="cycle", bool cycle_momentum=True, any base_momentum=0.8, any max_momentum=0.9, int last_epoch=-1)',
      args,
    );
    requireOptimizer(o.optimizer);
    if (o.scale_fn === null && !["triangular", "triangular2", "exp_range"].includes(o.mode)) {
      throw new ValueError("mode is invalid and scale_fn is None");
    }
    const groups = groupsOf(o.optimizer);
    const lows = perGroup(o.base_lr, groups.length, "base_lr");
    if (o.last_epoch === -1) {
      groups.forEach((group, i) => {
        group.lr = lows[i];
      });
    }
    const momenta = o.cycle_momentum
      ? {
          base: perGroup(o.base_momentum, groups.length, "base_momentum"),
          max: perGroup(o.max_momentum, groups.length, "max_momentum"),
          beta1: momentumIsBeta1(o.optimizer),
        }
      : null;
    super(o.optimizer, o.last_epoch);
    this.lows = lows;
    this.max_lrs = perGroup(o.max_lr, groups.length, "max_lr");
    const down = o.step_size_down ?? o.step_size_up;
    this.total_size = o.step_size_up + down;
    this.step_ratio = o.step_size_up / this.total_size;
    this.mode = o.mode;
    this.gamma = o.gamma;
    this.momenta = momenta;
    this.scaleFunction = o.scale_fn ?? scaleOf(o.mode, o.gamma);
    this.byCycle = o.scale_fn === null ? o.mode !== "exp_range" : o.scale_mode === "cycle";
    if (momenta !== null && o.last_epoch === -1) {
      groups.forEach((group, i) => {
        setMomentum(group, momenta.max[i], momenta.beta1);
        group.max_momentum = momenta.max[i];
        group.base_momentum = momenta.base[i];
      });
    }
    this.start();
  }

  override get_lr(): number[] {
    const cycle = Math.floor(1 + this.last_epoch / this.total_size);
    const x = 1 + this.last_epoch / this.total_size - cycle;
    const height = x <= this.step_ratio ? x / this.step_ratio : (x - 1) / (this.step_ratio - 1);
    const scale = height * this.scaleFunction(this.byCycle ? cycle : this.last_epoch);
    const { momenta } = this;
    if (momenta !== null) {
      this.groups.forEach((group, i) => {
        setMomentum(group, momenta.max[i] - (momenta.max[i] - momenta.base[i]) * scale, momenta.beta1);
      });
    }
    return this.lows.map((low, i) => low + (this.max_lrs[i] - low) * scale);
  }

  override state_dict(): Record<string, unknown> {
    const { momenta: _, lows: __, byCycle: ___, ...rest } = super.state_dict();
    // PyTorch keeps the attributes of a callable object here, and does not load a state without it.
    return { ...rest, _scale_fn_custom: null };
  }
}

function scaleOf(mode: string, gamma: number): (x: number) => number {
  if (mode === "triangular2") return (cycle) => 1 / 2 ** (cycle - 1);
  if (mode === "exp_range") return (step) => gamma ** step;
  return () => 1;
}
