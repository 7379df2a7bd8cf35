/** Schedules made of schedules. */
import { ValueError } from "../../errors.ts";
import { bindNamed } from "../../ops/define/schema.ts";
import { describe } from "../../shape.ts";
import {
  type AnyOptimizer,
  groupsOf,
  LRScheduler,
  requireOptimizer,
  type ScheduleArguments,
  scheduleArguments,
} from "./base.ts";

/** What can be combined: schedules, and combinations of them. */
export type AnyScheduler = LRScheduler | ChainedScheduler;

function checkSchedulers(name: string, schedulers: readonly unknown[], optimizer: AnyOptimizer): void {
  schedulers.forEach((s, i) => {
    if (!(s instanceof LRScheduler) && !(s instanceof ChainedScheduler)) {
      throw new TypeError(`${name} expects schedulers, but got ${describe(s)} at index ${i}`);
    }
    if (s.optimizer !== optimizer) {
      throw new ValueError(
        `${name} expects all schedulers to belong to the same optimizer, but got scheduler ${s.constructor.name} at index ${i} has another one`,
      );
    }
  });
}

interface SequentialKeywords {
  readonly schedulers: readonly LRScheduler[];
  /** When the next schedule begins: one fewer than schedules. */
  readonly milestones: readonly number[];
}

/** One schedule after another. */
export class SequentialLR extends LRScheduler {
  private readonly schedulers: readonly LRScheduler[];
  private readonly milestones: readonly number[];

  constructor(
    ...args: ScheduleArguments<
      SequentialKeywords,
      [schedulers: readonly LRScheduler[]],
      [milestones?: readonly number[]]
    >
  ) {
    const o = scheduleArguments<SequentialKeywords>(
      "SequentialLR.__init__(any optimizer, any schedulers, int[] milestones, int last_epoch=-1)",
      args,
    );
    const { schedulers, milestones } = o;
    if (schedulers.length < 1)
      throw new ValueError("SequentialLR expects at least one scheduler, but got no scheduler.");
    checkSchedulers("SequentialLR", schedulers, o.optimizer);
    if (milestones.length !== schedulers.length - 1) {
      throw new ValueError(
        `Sequential Schedulers expects number of schedulers provided to be one more than the number of milestone points, but got number of schedulers ${schedulers.length} and the number of milestones to be equal to ${milestones.length}`,
      );
    }
    super(o.optimizer, o.last_epoch);
    this.schedulers = [...schedulers];
    this.milestones = [...milestones];
    this.last_epoch = o.last_epoch + 1;
    // Each schedule has set a first rate already: take that back, and let only the first one begin.
    for (const group of this.groups) group.lr = group.initial_lr as number;
    this.undo();
    const first = this.schedulers[this.position(0)];
    first.start();
    this.lastRates = first.get_last_lr();
  }

  /** Which schedule an epoch belongs to. */
  private position(epoch: number): number {
    return this.milestones.filter((m) => m <= epoch).length;
  }

  override undo(): void {
    for (const s of this.schedulers) s.undo();
  }

  override get_lr(): number[] {
    return this.lastRates;
  }

  override step(): void {
    this.last_epoch++;
    const at = this.position(this.last_epoch);
    const scheduler = this.schedulers[at];
    if (at > 0 && this.milestones[at - 1] === this.last_epoch) scheduler.restartAt(0);
    else scheduler.step();
    this.lastRates = scheduler.get_last_lr();
  }

  override state_dict(): Record<string, unknown> {
    const { schedulers, milestones, ...rest } = super.state_dict();
    return { ...rest, _milestones: milestones, _schedulers: (schedulers as LRScheduler[]).map((s) => s.state_dict()) };
  }

  override load_state_dict(state: Readonly<Record<string, unknown>>): void {
    const { _schedulers, _milestones, ...rest } = state;
    super.load_state_dict(rest);
    (_schedulers as Record<string, unknown>[]).forEach((s, i) => {
      this.schedulers[i].load_state_dict(s);
    });
  }
}

/** Several schedules at once: each step takes a step of all, in order. */
export class ChainedScheduler {
  readonly optimizer: AnyOptimizer;
  private readonly schedulers: readonly LRScheduler[];
  private lastRates: number[];

  constructor(...args: [schedulers: readonly LRScheduler[], optimizer?: AnyOptimizer | null]) {
    const o = bindNamed("ChainedScheduler.__init__(any schedulers, any? optimizer=None)", args) as unknown as {
      schedulers: readonly LRScheduler[];
      optimizer: AnyOptimizer | null;
    };
    if (o.schedulers.length < 1) {
      throw new ValueError("ChainedScheduler expects at least one scheduler to be chained, but got no scheduler.");
    }
    this.optimizer = o.optimizer ?? o.schedulers[0].optimizer;
    requireOptimizer(this.optimizer);
    checkSchedulers("ChainedScheduler", o.schedulers, this.optimizer);
    this.schedulers = [...o.schedulers];
    this.lastRates = this.rates();
  }

  private rates(): number[] {
    return groupsOf(this.optimizer).map((group) => group.lr);
  }

  step(): void {
    for (const s of this.schedulers) s.step();
    this.lastRates = this.rates();
  }

  get_last_lr(): number[] {
    return this.lastRates;
  }

  state_dict(): Record<string, unknown> {
    return { _last_lr: this.lastRates, _schedulers: this.schedulers.map((s) => s.state_dict()) };
  }

  load_state_dict(state: Readonly<Record<string, unknown>>): void {
    (state._schedulers as Record<string, unknown>[]).forEach((s, i) => {
      this.schedulers[i].load_state_dict(s);
    });
    this.lastRates = [...(state._last_lr as number[])];
  }
}
