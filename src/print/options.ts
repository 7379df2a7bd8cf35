/**
 * How tensors are printed: `torch.set_printoptions` and its relatives.
 * Source: https://docs.pytorch.org/docs/stable/generated/torch.set_printoptions.html
 */
import { ValueError } from "../errors.ts";

/** The options in force. */
export interface PrintOptions {
  /** Digits after the point. Default 4. */
  readonly precision: number;
  /** Tensors with more elements than this are summarized. Default 1000. */
  readonly threshold: number;
  /** Elements shown at each end of a summarized dimension. Default 3. */
  readonly edgeitems: number;
  /** Characters per line before a line is broken. Default 80. */
  readonly linewidth: number;
  /** Scientific notation: always, never, or (`null`, the default) where the values ask for it. */
  readonly sci_mode: boolean | null;
}

/** The arguments of {@link set_printoptions}; a missing one, or `null`, leaves an option as it is, `sci_mode` excepted. */
export interface PrintOptionsUpdate {
  precision?: number | null;
  threshold?: number | null;
  edgeitems?: number | null;
  linewidth?: number | null;
  /** A set of defaults, applied before the other arguments. */
  profile?: "default" | "short" | "full" | null;
  sci_mode?: boolean | null;
}

const defaults: PrintOptions = { precision: 4, threshold: 1000, edgeitems: 3, linewidth: 80, sci_mode: null };

const profiles: Readonly<Record<string, PrintOptions>> = {
  default: defaults,
  short: { ...defaults, precision: 2, edgeitems: 2 },
  full: { ...defaults, threshold: Number.POSITIVE_INFINITY },
};

const counts = ["precision", "edgeitems", "linewidth"] as const;
const names: readonly string[] = [...counts, "threshold", "profile", "sci_mode"];

let current: PrintOptions = defaults;

/**
 * Sets how tensors are printed. As in PyTorch, `sci_mode` goes back to `null` (automatic) whenever it is not given.
 * @throws TypeError for an unknown option or one of the wrong type, ValueError for an unusable value.
 */
export function set_printoptions(update: PrintOptionsUpdate = {}): void {
  current = mergePrintOptions(current, update);
}

/** The options in force, as a copy that can be given to {@link set_printoptions}. */
export function get_printoptions(): PrintOptions {
  return { ...current };
}

/**
 * Sets print options for a while: during a call, whose result is returned, or until the end of the block.
 * @example torch.printoptions({ precision: 2 }, () => console.log(x));
 * @example using _ = torch.printoptions({ precision: 2 });
 */
export function printoptions(update: PrintOptionsUpdate): Disposable;
export function printoptions<T>(update: PrintOptionsUpdate, body: () => T): T;
export function printoptions<T>(update: PrintOptionsUpdate, body?: () => T): T | Disposable {
  const before = current;
  set_printoptions(update);
  const restore = () => {
    current = before;
  };
  if (body === undefined) return { [Symbol.dispose]: restore };
  try {
    return body();
  } finally {
    restore();
  }
}

/** `base` with the given arguments applied as {@link set_printoptions} applies them. */
export function mergePrintOptions(base: PrintOptions, update: PrintOptionsUpdate): PrintOptions {
  checkUpdate(update);
  const start = update.profile == null ? base : profiles[update.profile];
  return {
    precision: update.precision ?? start.precision,
    threshold: update.threshold ?? start.threshold,
    edgeitems: update.edgeitems ?? start.edgeitems,
    linewidth: update.linewidth ?? start.linewidth,
    sci_mode: update.sci_mode ?? null,
  };
}

function checkUpdate(update: PrintOptionsUpdate): void {
  for (const name of Object.keys(update)) {
    if (!names.includes(name)) {
      throw new TypeError(
        `set_printoptions() got an unexpected keyword argument '${name}' (it takes ${names.join(", ")})`,
      );
    }
  }
  for (const name of counts) {
    const value = update[name];
    if (value == null) continue;
    if (typeof value !== "number") {
      throw new TypeError(`set_printoptions(): '${name}' must be an int, got ${typeof value}`);
    }
    if (!Number.isInteger(value) || value < 0) {
      throw new ValueError(`set_printoptions(): '${name}' must be a non-negative integer, got ${value}`);
    }
  }
  const { threshold, profile, sci_mode } = update;
  if (threshold != null && typeof threshold !== "number") {
    throw new TypeError(`set_printoptions(): 'threshold' must be a number, got ${typeof threshold}`);
  }
  if (profile != null && !Object.hasOwn(profiles, profile)) {
    throw new ValueError(`set_printoptions(): 'profile' must be one of default, short, full, got '${profile}'`);
  }
  if (sci_mode != null && typeof sci_mode !== "boolean") {
    throw new TypeError(`set_printoptions(): 'sci_mode' must be a bool or null, got ${typeof sci_mode}`);
  }
}
