/**
 * Asks the JavaScript engine, at once and in the midst of synchronous code, which objects the program can still reach.
 *
 * A FinalizationRegistry answers in a later macrotask only, so never in a plain loop. Node has all that is needed to ask:
 * V8's flag `--expose-gc` gives a function that collects garbage, and `util.inspect` with `showHidden` lists what is left
 * in a WeakSet, by calling each member's inspection method. A collection of the young generation takes 0.15–0.5 ms, a
 * full one 2 ms and more for each megabyte of JavaScript heap. Elsewhere `askable` is false.
 */
interface Platform {
  readonly process?: {
    getBuiltinModule?(name: string): unknown;
    readonly versions?: { readonly node?: string; readonly v8?: string; readonly bun?: string; readonly deno?: string };
  };
  readonly gc?: Collect;
}

/** Without options, all objects. */
type Collect = (options?: { type: "minor" }) => void;
type Inspect = (value: unknown, options: object) => string;

const platform = globalThis as Platform;
const INSPECT: unique symbol = Symbol.for("nodejs.util.inspect.custom") as never;
const LISTING = { showHidden: true, maxArrayLength: Infinity, breakLength: Infinity, colors: false };
/** What a member's inspection gives while a set is listed, and what is left of the list without those. */
const MARK = "·";
const BARE = "WeakSet{}";
/** After so many collections an object counts as old. V8 moves what has survived two to the old generation. */
const OLD_AGE = 2;

let visit: ((member: Tracked) => void) | null = null;

/** An object whose reachability can be asked for. */
export abstract class Tracked {
  /** @internal How many collections have found it reachable. */
  age = 0;

  /** What the object holds, in words. */
  protected abstract describe(): string;

  [INSPECT](): string {
    if (visit === null) return this.describe();
    visit(this);
    return MARK;
  }
}

export class Reachability {
  private young = new WeakSet<Tracked>();
  private old = new WeakSet<Tracked>();
  private tools: { readonly collect: Collect; readonly inspect: Inspect } | null = null;
  private tried = false;

  /** Whether the engine can be asked, as far as can be told without asking. */
  static get likely(): boolean {
    const { process } = platform;
    const versions = process?.versions;
    return (
      versions?.node !== undefined &&
      versions.v8 !== undefined &&
      versions.bun === undefined &&
      versions.deno === undefined &&
      process?.getBuiltinModule !== undefined
    );
  }

  /** Whether the engine can be asked: found out by trying, at the first call. */
  get askable(): boolean {
    if (!this.tried) {
      this.tried = true;
      if (Reachability.likely) this.tools = workingTools();
    }
    return this.tools !== null;
  }

  add(member: Tracked): void {
    this.young.add(member);
  }

  /**
   * Collects garbage, of all objects or of the young ones only, and calls `found` for each member that is still reachable;
   * for old ones only if `full`. Returning false from `found` takes the member out of the set. The result is whether the
   * answer is complete: if not, nothing may be taken for dead.
   */
  collect(full: boolean, found: (member: Tracked) => boolean): boolean {
    if (!this.askable || this.tools === null) return false;
    const { collect, inspect } = this.tools;
    if (full) collect();
    else collect({ type: "minor" });
    const members: Tracked[] = [];
    if (!list(this.young, inspect, members)) return false;
    if (full && !list(this.old, inspect, members)) return false;
    // The new sets take the place of the old ones when they are complete: the stack may be full here too.
    const young = new WeakSet<Tracked>();
    const old = full ? new WeakSet<Tracked>() : this.old;
    try {
      for (const member of members) {
        if (!found(member)) continue;
        member.age++;
        (member.age > OLD_AGE ? old : young).add(member);
      }
    } catch {
      return false;
    }
    this.young = young;
    this.old = old;
    return true;
  }

  /** Whether a collection of young objects only would have asked for this one. */
  static isYoung(age: number): boolean {
    return age <= OLD_AGE;
  }
}

/** Puts the members of `set` into `members`. False where the listing was cut short, as it is when the stack is full. */
function list(set: WeakSet<Tracked>, inspect: Inspect, members: Tracked[]): boolean {
  const before = members.length;
  const outer = visit;
  visit = (member) => members.push(member);
  try {
    const text = inspect(set, LISTING);
    let marks = 0;
    const rest = text.replace(/[·,\s]/g, (c) => {
      if (c === MARK) marks++;
      return "";
    });
    return rest === BARE && marks === members.length - before;
  } catch {
    return false;
  } finally {
    visit = outer;
  }
}

class Probe extends Tracked {
  protected override describe(): string {
    return "Probe";
  }
}

/** The functions, after a trial: one that is reachable must be listed, one that is not must be gone. */
function workingTools(): { collect: Collect; inspect: Inspect } | null {
  try {
    const builtin = (name: string): unknown => platform.process?.getBuiltinModule?.(name);
    const { inspect } = builtin("node:util") as { inspect: Inspect };
    const collect = platform.gc ?? exposedCollect(builtin);
    const set = new WeakSet<Tracked>();
    const kept = new Probe();
    set.add(kept);
    addUnreachable(set);
    collect({ type: "minor" });
    const left: Tracked[] = [];
    return list(set, inspect, left) && left.length === 1 && left[0] === kept ? { collect, inspect } : null;
  } catch {
    return null;
  }
}

function addUnreachable(set: WeakSet<Tracked>): void {
  for (let i = 0; i < 10; i++) set.add(new Probe());
}

/** V8 gives new contexts the function while the flag is on. */
function exposedCollect(builtin: (name: string) => unknown): Collect {
  const v8 = builtin("node:v8") as { setFlagsFromString(flags: string): void };
  const vm = builtin("node:vm") as { runInNewContext(code: string): unknown };
  v8.setFlagsFromString("--expose-gc");
  try {
    return vm.runInNewContext("gc") as Collect;
  } finally {
    v8.setFlagsFromString("--no-expose-gc");
  }
}
