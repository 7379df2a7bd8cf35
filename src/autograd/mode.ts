/**
 * Whether operations are recorded. The switch is only ever changed within a scope: a callback, or a `using` guard that
 * puts it back.
 */

let enabled = true;
let inference = false;

export function is_grad_enabled(): boolean {
  return enabled;
}

export function is_inference_mode_enabled(): boolean {
  return inference;
}

/** Puts the modes back when the block of a `using` declaration ends. */
export class ModeGuard implements Disposable {
  readonly #enabled = enabled;
  readonly #inference = inference;
  [Symbol.dispose](): void {
    enabled = this.#enabled;
    inference = this.#inference;
  }
}

function within<R>(mode: boolean, body: (() => R) | undefined, setInference?: boolean): R | ModeGuard {
  const guard = new ModeGuard();
  enabled = mode;
  if (setInference !== undefined) inference = setInference;
  if (body === undefined) return guard;
  try {
    if (typeof body !== "function") throw new TypeError("A gradient mode takes a function, or nothing with `using`");
    const result = body();
    if (result instanceof Promise) {
      // The error below is the one to see, not the rejection that may follow from it.
      result.catch(() => {});
      throw new TypeError(
        "A gradient mode holds only until its callback returns, so the callback must not be async: await outside of it",
      );
    }
    return result;
  } finally {
    guard[Symbol.dispose]();
  }
}

/** Runs `body` without recording, or, without `body`, until the end of the block: `using _ = torch.no_grad()`. */
export function no_grad(): ModeGuard;
export function no_grad<R>(body: () => R): R;
export function no_grad<R>(body?: () => R): R | ModeGuard {
  return within(false, body);
}

/** Runs `body` with recording, also within `no_grad`. */
export function enable_grad(): ModeGuard;
export function enable_grad<R>(body: () => R): R;
export function enable_grad<R>(body?: () => R): R | ModeGuard {
  return within(true, body);
}

/** Turns recording on or off for `body`, or until the end of the block. */
export function set_grad_enabled(mode: boolean): ModeGuard;
export function set_grad_enabled<R>(mode: boolean, body: () => R): R;
export function set_grad_enabled<R>(mode: boolean, body?: () => R): R | ModeGuard {
  if (typeof mode !== "boolean") throw new TypeError("set_grad_enabled(): argument 'mode' must be bool");
  return within(mode, body);
}

/** Like `no_grad`; the tensors made in it are ordinary tensors here, without PyTorch's inference restrictions. */
export function inference_mode(): ModeGuard;
export function inference_mode<R>(body: () => R): R;
export function inference_mode<R>(body?: () => R): R | ModeGuard {
  return within(false, body, true);
}

let freesEarly = true;

/** Whether the engine gives memory back as soon as it is sure that nobody else refers to it. */
export function earlyFrees(): boolean {
  return freesEarly;
}

/** For tests: runs `body` with all memory left to the garbage collector. */
export function withoutEarlyFrees<R>(body: () => R): R {
  const before = freesEarly;
  freesEarly = false;
  try {
    return body();
  } finally {
    freesEarly = before;
  }
}

/** For the engine: runs `body` with recording on or off. */
export function withGradMode<R>(mode: boolean, body: () => R): R {
  const before = enabled;
  enabled = mode;
  try {
    return body();
  } finally {
    enabled = before;
  }
}
