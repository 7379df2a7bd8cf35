/** What all schedules of learning rates share: https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate */
import { KeyError, ValueError } from "../../errors.ts";
import type { Arguments } from "../../nn/options.ts";
import { bindNamed } from "../../ops/define/schema.ts";
import { describe } from "../../shape.ts";
import { Optimizer } from "../optimizer.ts";

/** A group's options as schedules see them. */
export type Group = Record<string, unknown> & { lr: number; initial_lr?: number };
/** Any optimizer: schedules touch only the options of its groups. */
export type AnyOptimizer = Pick<Optimizer<object>, "param_groups" | "step">;

export function groupsOf(optimizer: AnyOptimizer): Group[] {
  return optimizer.param_groups as unknown as Group[];
}

/** Throws TypeError for what is not an optimizer. */
export function requireOptimizer(optimizer: unknown): void {
  if (!(optimizer instanceof Optimizer)) throw new TypeError(`${describe(optimizer)} is not an Optimizer`);
}

/** Where to resume: the last epoch that was run. */
export interface Resume {
  readonly optimizer: AnyOptimizer;
  readonly last_epoch?: number;
}

/** What a schedule's constructor takes: positional in PyTorch's order, keywords in an object. */
export type ScheduleArguments<K, R extends unknown[], O extends unknown[] = []> =
  | Arguments<K & Resume, [optimizer: AnyOptimizer, ...R], [...O, last_epoch?: number]>
  | [optimizer: AnyOptimizer, keywords: K & { readonly last_epoch?: number }];

/** The arguments by name, the optimizer and `last_epoch` among them. */
export function scheduleArguments<K>(signature: string, args: readonly unknown[]): Required<K & Resume> {
  return bindNamed(signature, args) as Required<K & Resume>;
}

/** One value for each group. */
export function perGroup(value: number | readonly number[], count: number, name: string): number[] {
  if (typeof value === "number") return new Array<number>(count).fill(value);
  if (value.length !== count) throw new ValueError(`expected ${count} values for ${name}, got ${value.length}`);
  return [...value];
}

/** Sets a group's momentum, or the first beta of the Adam family. */
export function setMomentum(group: Group, value: number, beta1: boolean): void {
  if (beta1) group.betas = [value, ...(group.betas as number[]).slice(1)];
  else group.momentum = value;
}

/** Whether the momentum is `betas[0]`. Throws where the optimizer has neither. */
export function momentumIsBeta1(optimizer: AnyOptimizer): boolean {
  const [group] = groupsOf(optimizer);
  if (group.betas === undefined && group.momentum === undefined) {
    throw new ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled");
  }
  return group.betas !== undefined;
}

/** A schedule. Call `step()` after each epoch (or batch), after the optimizer's own. */
export abstract class LRScheduler {
  readonly optimizer: AnyOptimizer;
  readonly base_lrs: number[];
  last_epoch: number;
  protected lastRates: number[] = [];
  private stepCount = 0;

  constructor(optimizer: AnyOptimizer, last_epoch = -1) {
    requireOptimizer(optimizer);
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

  /** @internal Sets the first rates. Subclasses call it when their fields are there. */
  start(): void {
    this.stepCount = 0;
    this.step();
  }

  /** @internal Takes the first step back, for schedules that begin later. */
  undo(): void {
    this.last_epoch--;
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
    this.apply(this.get_lr());
  }

  /** @internal Sets the rates of an epoch by the closed form where there is one, without counting a step. */
  restartAt(epoch: number): void {
    this.last_epoch = epoch;
    this.apply(this.closedForm());
  }

  /** The rates as a function of the epoch alone. By default what `get_lr` gives. */
  protected closedForm(): number[] {
    return this.get_lr();
  }

  private apply(rates: readonly number[]): void {
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
