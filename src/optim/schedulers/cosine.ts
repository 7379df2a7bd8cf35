/** Cosine schedules: Loshchilov and Hutter (2017), https://arxiv.org/abs/1608.03983 */
import { ValueError } from "../../errors.ts";
import { LRScheduler, type ScheduleArguments, scheduleArguments } from "./base.ts";

interface CosineKeywords {
  /** Epochs from the initial rate to `eta_min`. */
  readonly T_max: number;
  /** Default 0. */
  readonly eta_min?: number;
}

/** A cosine from the initial rate to `eta_min` in `T_max` epochs, and back, without restarts. */
export class CosineAnnealingLR extends LRScheduler {
  T_max: number;
  eta_min: number;
  constructor(...args: ScheduleArguments<CosineKeywords, [T_max: number], [eta_min?: number]>) {
    const o = scheduleArguments<CosineKeywords>(
      "CosineAnnealingLR.__init__(any optimizer, int T_max, float eta_min=0, int last_epoch=-1)",
      args,
    );
    super(o.optimizer, o.last_epoch);
    this.T_max = o.T_max;
    this.eta_min = o.eta_min;
    this.start();
  }
  override get_lr(): number[] {
    const { last_epoch: t, T_max: n, eta_min: low } = this;
    if (t === 0) return this.groups.map((group) => group.lr);
    if (this.isInitial) return this.closedForm();
    if ((t - 1 - n) % (2 * n) === 0) {
      return this.groups.map((group, i) => group.lr + ((this.base_lrs[i] - low) * (1 - Math.cos(Math.PI / n))) / 2);
    }
    const ratio = (1 + Math.cos((Math.PI * t) / n)) / (1 + Math.cos((Math.PI * (t - 1)) / n));
    return this.groups.map((group) => ratio * (group.lr - low) + low);
  }
  protected override closedForm(): number[] {
    const { last_epoch: t, T_max: n, eta_min: low } = this;
    return this.base_lrs.map((base) => low + ((base - low) * (1 + Math.cos((Math.PI * t) / n))) / 2);
  }
}

interface RestartKeywords {
  /** Epochs of the first period. */
  readonly T_0: number;
  /** Each period is this many times as long as the one before. Default 1. */
  readonly T_mult?: number;
  /** Default 0. */
  readonly eta_min?: number;
}

/** Cosines with warm restarts. */
export class CosineAnnealingWarmRestarts extends LRScheduler {
  T_0: number;
  T_i: number;
  T_mult: number;
  eta_min: number;
  T_cur: number;
  constructor(...args: ScheduleArguments<RestartKeywords, [T_0: number], [T_mult?: number, eta_min?: number]>) {
    const o = scheduleArguments<RestartKeywords>(
      "CosineAnnealingWarmRestarts.__init__(any optimizer, any T_0, any T_mult=1, float eta_min=0, int last_epoch=-1)",
      args,
    );
    if (o.T_0 <= 0 || !Number.isInteger(o.T_0)) throw new ValueError(`Expected positive integer T_0, but got ${o.T_0}`);
    if (o.T_mult < 1 || !Number.isInteger(o.T_mult)) {
      throw new ValueError(`Expected integer T_mult >= 1, but got ${o.T_mult}`);
    }
    super(o.optimizer, o.last_epoch);
    this.T_0 = o.T_0;
    this.T_i = o.T_0;
    this.T_mult = o.T_mult;
    this.eta_min = o.eta_min;
    this.T_cur = this.last_epoch;
    this.start();
  }
  override get_lr(): number[] {
    const { eta_min: low, T_cur, T_i } = this;
    return this.base_lrs.map((base) => low + ((base - low) * (1 + Math.cos((Math.PI * T_cur) / T_i))) / 2);
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
