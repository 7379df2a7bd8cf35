/** Schedules by factors: steps, constants, lines, powers, functions of one's own. */
import { ValueError } from "../../errors.ts";
import { LRScheduler, type ScheduleArguments, scheduleArguments } from "./base.ts";

type Lambda = (epoch: number) => number;

interface LambdaKeywords {
  /** One function for all groups, or one for each. */
  readonly lr_lambda: Lambda | readonly Lambda[];
}

/** The initial rate times `lr_lambda(epoch)`. */
export class LambdaLR extends LRScheduler {
  readonly lr_lambdas: readonly Lambda[];
  constructor(...args: ScheduleArguments<LambdaKeywords, [lr_lambda: Lambda | readonly Lambda[]]>) {
    const o = scheduleArguments<LambdaKeywords>(
      `${new.target.name}.__init__(any optimizer, any lr_lambda, int last_epoch=-1)`,
      args,
    );
    super(o.optimizer, o.last_epoch);
    const count = this.groups.length;
    this.lr_lambdas = typeof o.lr_lambda === "function" ? new Array<Lambda>(count).fill(o.lr_lambda) : [...o.lr_lambda];
    if (this.lr_lambdas.length !== count) {
      throw new ValueError(`Expected ${count} lr_lambdas, but got ${this.lr_lambdas.length}`);
    }
    this.start();
  }
  override get_lr(): number[] {
    return this.base_lrs.map((base, i) => base * this.lr_lambdas[i](this.last_epoch));
  }
  override state_dict(): Record<string, unknown> {
    // Functions are not part of the state, only how many there are.
    return { ...super.state_dict(), lr_lambdas: this.lr_lambdas.map(() => null) };
  }
  override load_state_dict(state: Readonly<Record<string, unknown>>): void {
    const { lr_lambdas: _, ...rest } = state;
    super.load_state_dict(rest);
  }
}

/** The rate before times `lr_lambda(epoch)`. */
export class MultiplicativeLR extends LambdaLR {
  override get_lr(): number[] {
    if (this.last_epoch <= 0) return this.groups.map((group) => group.lr);
    return this.groups.map((group, i) => group.lr * this.lr_lambdas[i](this.last_epoch));
  }
}

interface StepKeywords {
  readonly step_size: number;
  /** Default 0.1. */
  readonly gamma?: number;
}

/** Times `gamma` every `step_size` epochs. */
export class StepLR extends LRScheduler {
  step_size: number;
  gamma: number;
  constructor(...args: ScheduleArguments<StepKeywords, [step_size: number], [gamma?: number]>) {
    const o = scheduleArguments<StepKeywords>(
      "StepLR.__init__(any optimizer, int step_size, float gamma=0.1, int last_epoch=-1)",
      args,
    );
    super(o.optimizer, o.last_epoch);
    this.step_size = o.step_size;
    this.gamma = o.gamma;
    this.start();
  }
  override get_lr(): number[] {
    const keep = this.last_epoch === 0 || this.last_epoch % this.step_size !== 0;
    return this.groups.map((group) => (keep ? group.lr : group.lr * this.gamma));
  }
  protected override closedForm(): number[] {
    return this.base_lrs.map((base) => base * this.gamma ** Math.floor(this.last_epoch / this.step_size));
  }
}

interface MultiStepKeywords {
  readonly milestones: readonly number[];
  /** Default 0.1. */
  readonly gamma?: number;
}

/** Times `gamma` at each of the `milestones`. */
export class MultiStepLR extends LRScheduler {
  milestones: number[];
  gamma: number;
  constructor(...args: ScheduleArguments<MultiStepKeywords, [milestones: readonly number[]], [gamma?: number]>) {
    const o = scheduleArguments<MultiStepKeywords>(
      "MultiStepLR.__init__(any optimizer, int[] milestones, float gamma=0.1, int last_epoch=-1)",
      args,
    );
    super(o.optimizer, o.last_epoch);
    this.milestones = [...o.milestones];
    this.gamma = o.gamma;
    this.start();
  }
  override get_lr(): number[] {
    const hits = this.milestones.filter((m) => m === this.last_epoch).length;
    return this.groups.map((group) => (hits === 0 ? group.lr : group.lr * this.gamma ** hits));
  }
  protected override closedForm(): number[] {
    const passed = this.milestones.filter((m) => m <= this.last_epoch).length;
    return this.base_lrs.map((base) => base * this.gamma ** passed);
  }
  /** PyTorch's form: how often each milestone is there. */
  override state_dict(): Record<string, unknown> {
    const counts: Record<number, number> = {};
    for (const epoch of this.milestones) counts[epoch] = (counts[epoch] ?? 0) + 1;
    return { ...super.state_dict(), milestones: counts };
  }
  override load_state_dict(state: Readonly<Record<string, unknown>>): void {
    const { milestones, ...rest } = state;
    super.load_state_dict(rest);
    if (typeof milestones === "object" && milestones !== null) {
      this.milestones = Object.entries(milestones).flatMap(([epoch, count]) =>
        Array<number>(count).fill(Number(epoch)),
      );
    }
  }
}

interface ConstantKeywords {
  /** Default 1/3. */
  readonly factor?: number;
  /** Default 5. */
  readonly total_iters?: number;
}

/** Times `factor` for the first `total_iters` epochs. */
export class ConstantLR extends LRScheduler {
  factor: number;
  total_iters: number;
  constructor(...args: ScheduleArguments<ConstantKeywords, [], [factor?: number, total_iters?: number]>) {
    const o = scheduleArguments<ConstantKeywords>(
      `ConstantLR.__init__(any optimizer, float factor=${1 / 3}, int total_iters=5, int last_epoch=-1)`,
      args,
    );
    if (o.factor > 1 || o.factor < 0) {
      throw new ValueError("Constant multiplicative factor expected to be between 0 and 1.");
    }
    super(o.optimizer, o.last_epoch);
    this.factor = o.factor;
    this.total_iters = o.total_iters;
    this.start();
  }
  override get_lr(): number[] {
    if (this.last_epoch === 0) return this.groups.map((group) => group.lr * this.factor);
    if (this.last_epoch !== this.total_iters) return this.groups.map((group) => group.lr);
    return this.groups.map((group) => group.lr * (1 / this.factor));
  }
  protected override closedForm(): number[] {
    return this.base_lrs.map((base) => base * (this.last_epoch >= this.total_iters ? 1 : this.factor));
  }
}

interface LinearKeywords {
  /** Default 1/3. */
  readonly start_factor?: number;
  /** Default 1. */
  readonly end_factor?: number;
  /** Default 5. */
  readonly total_iters?: number;
}

/** Times a factor that goes linearly from `start_factor` to `end_factor` within `total_iters` epochs. */
export class LinearLR extends LRScheduler {
  start_factor: number;
  end_factor: number;
  total_iters: number;
  constructor(
    ...args: ScheduleArguments<LinearKeywords, [], [start_factor?: number, end_factor?: number, total_iters?: number]>
  ) {
    const o = scheduleArguments<LinearKeywords>(
      `LinearLR.__init__(any optimizer, float start_factor=${1 / 3}, float end_factor=1, int total_iters=5, int last_epoch=-1)`,
      args,
    );
    if (o.start_factor > 1 || o.start_factor <= 0) {
      throw new ValueError("Starting multiplicative factor expected to be greater than 0 and less or equal to 1.");
    }
    if (o.end_factor > 1 || o.end_factor < 0) {
      throw new ValueError("Ending multiplicative factor expected to be between 0 and 1.");
    }
    super(o.optimizer, o.last_epoch);
    this.start_factor = o.start_factor;
    this.end_factor = o.end_factor;
    this.total_iters = o.total_iters;
    this.start();
  }
  override get_lr(): number[] {
    const { start_factor: a, end_factor: b, total_iters: n, last_epoch: t } = this;
    if (t === 0) return this.groups.map((group) => group.lr * a);
    if (t > n) return this.groups.map((group) => group.lr);
    return this.groups.map((group) => group.lr * (1 + (b - a) / (n * a + (t - 1) * (b - a))));
  }
  protected override closedForm(): number[] {
    const { start_factor: a, end_factor: b, total_iters: n } = this;
    return this.base_lrs.map((base) => base * (a + ((b - a) * Math.min(n, this.last_epoch)) / n));
  }
}

interface ExponentialKeywords {
  readonly gamma: number;
}

/** Times `gamma` every epoch. */
export class ExponentialLR extends LRScheduler {
  gamma: number;
  constructor(...args: ScheduleArguments<ExponentialKeywords, [gamma: number]>) {
    const o = scheduleArguments<ExponentialKeywords>(
      "ExponentialLR.__init__(any optimizer, float gamma, int last_epoch=-1)",
      args,
    );
    super(o.optimizer, o.last_epoch);
    this.gamma = o.gamma;
    this.start();
  }
  override get_lr(): number[] {
    return this.groups.map((group) => (this.last_epoch === 0 ? group.lr : group.lr * this.gamma));
  }
  protected override closedForm(): number[] {
    return this.base_lrs.map((base) => base * this.gamma ** this.last_epoch);
  }
}

interface PolynomialKeywords {
  /** Default 5. */
  readonly total_iters?: number;
  /** Default 1. */
  readonly power?: number;
}

/** Polynomial decay to 0 within `total_iters` epochs. */
export class PolynomialLR extends LRScheduler {
  total_iters: number;
  power: number;
  constructor(...args: ScheduleArguments<PolynomialKeywords, [], [total_iters?: number, power?: number]>) {
    const o = scheduleArguments<PolynomialKeywords>(
      "PolynomialLR.__init__(any optimizer, int total_iters=5, float power=1, int last_epoch=-1)",
      args,
    );
    super(o.optimizer, o.last_epoch);
    this.total_iters = o.total_iters;
    this.power = o.power;
    this.start();
  }
  override get_lr(): number[] {
    const { last_epoch: t, total_iters: n } = this;
    if (t === 0 || t > n) return this.groups.map((group) => group.lr);
    const factor = ((1 - t / n) / (1 - (t - 1) / n)) ** this.power;
    return this.groups.map((group) => group.lr * factor);
  }
  protected override closedForm(): number[] {
    const { last_epoch: t, total_iters: n } = this;
    return this.base_lrs.map((base) => base * (1 - Math.min(n, t) / n) ** this.power);
  }
}
