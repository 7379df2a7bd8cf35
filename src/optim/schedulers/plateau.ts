/** A schedule that follows a metric. */
import { ValueError } from "../../errors.ts";
import type { Arguments } from "../../nn/options.ts";
import { bindNamed } from "../../ops/define/schema.ts";
import { type AnyOptimizer, groupsOf, perGroup, requireOptimizer } from "./base.ts";

export interface PlateauOptions {
  readonly optimizer: AnyOptimizer;
  /** Whether the metric should fall or rise. Default "min". */
  readonly mode?: "min" | "max";
  /** Default 0.1. */
  readonly factor?: number;
  /** Epochs without improvement that are tolerated. Default 10. */
  readonly patience?: number;
  /** How much better counts as an improvement. Default 1e-4. */
  readonly threshold?: number;
  /** Whether `threshold` is a part of the best value or absolute. Default "rel". */
  readonly threshold_mode?: "rel" | "abs";
  /** Epochs to wait after a reduction. Default 0. */
  readonly cooldown?: number;
  readonly min_lr?: number | readonly number[];
  /** Smaller changes of the rate are not made. Default 1e-8. */
  readonly eps?: number;
}

type PlateauArguments = Arguments<
  PlateauOptions,
  [optimizer: AnyOptimizer],
  [mode?: "min" | "max", factor?: number, patience?: number, threshold?: number]
>;

/** Times `factor` when a metric has not improved for `patience` epochs: call `step(metric)`. */
export class ReduceLROnPlateau {
  readonly optimizer: AnyOptimizer;
  mode: "min" | "max";
  factor: number;
  patience: number;
  threshold: number;
  threshold_mode: "rel" | "abs";
  cooldown: number;
  eps: number;
  min_lrs: number[];
  best: number;
  num_bad_epochs = 0;
  cooldown_counter = 0;
  last_epoch = 0;
  private lastRates: number[];

  constructor(...args: PlateauArguments) {
    const o = bindNamed(
      'ReduceLROnPlateau.__init__(any optimizer, str mode="min", float factor=0.1, int patience=10, float threshold=0.0001, str threshold_mode="rel", int cooldown=0, any min_lr=0, float eps=1e-8)',
      args,
    ) as unknown as Required<PlateauOptions>;
    requireOptimizer(o.optimizer);
    if (o.factor >= 1) throw new ValueError("Factor should be < 1.0.");
    if (o.mode !== "min" && o.mode !== "max") throw new ValueError(`mode ${String(o.mode)} is unknown!`);
    if (o.threshold_mode !== "rel" && o.threshold_mode !== "abs") {
      throw new ValueError(`threshold mode ${String(o.threshold_mode)} is unknown!`);
    }
    this.optimizer = o.optimizer;
    this.mode = o.mode;
    this.factor = o.factor;
    this.patience = o.patience;
    this.threshold = o.threshold;
    this.threshold_mode = o.threshold_mode;
    this.cooldown = o.cooldown;
    this.eps = o.eps;
    this.min_lrs = perGroup(o.min_lr, groupsOf(o.optimizer).length, "min_lrs");
    this.best = o.mode === "min" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
    this.lastRates = groupsOf(o.optimizer).map((group) => group.lr);
  }

  private improves(value: number): boolean {
    const sign = this.mode === "min" ? -1 : 1;
    const goal =
      this.threshold_mode === "rel" ? this.best * (1 + sign * this.threshold) : this.best + sign * this.threshold;
    return this.mode === "min" ? value < goal : value > goal;
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
