/** PyTorch's switch for more than one thread in backward passes. The engine here always runs on the caller's. */

import { type Scope, scopeOrStatement } from "../context/scope.ts";
import { ScopedValue } from "../context/scoped-value.ts";

const enabled = new ScopedValue<boolean>(true);

/** What `set_multithreading_enabled` has said. */
export function is_multithreading_enabled(): boolean {
  return enabled.get();
}

/**
 * For programs that are written for PyTorch: says whether backward passes may use several threads, at once or for `body`
 * or a `using` block. It changes nothing: kernels divide their work among threads either way, nodes run one at a time.
 */
export function set_multithreading_enabled(mode: boolean): Scope;
export function set_multithreading_enabled<R>(mode: boolean, body: () => R): R;
export function set_multithreading_enabled(mode: boolean, body?: () => unknown): unknown {
  const name = `torch.autograd.set_multithreading_enabled(${mode})`;
  return scopeOrStatement({ name, variable: enabled, next: () => mode, body, statement: true });
}
