/** Hooks of modules: what users attach to calls and to (de)serialization. */
import type { Module } from "./module.ts";

/** Removes a hook. */
export interface RemovableHandle extends Disposable {
  remove(): void;
}

/** May return other arguments for `forward`: a list, or one value. */
export type ForwardPreHook = (module: Module, args: unknown[]) => unknown;
/** May return another output. */
export type ForwardHook = (module: Module, args: unknown[], output: unknown) => unknown;

/** Hooks in the order they were registered. */
export class HookList<H> {
  private readonly hooks: H[] = [];

  add(hook: H, options: { prepend?: boolean } = {}): RemovableHandle {
    if (typeof hook !== "function") throw new TypeError("a hook must be a function");
    if (options.prepend) this.hooks.unshift(hook);
    else this.hooks.push(hook);
    const remove = (): void => {
      const at = this.hooks.indexOf(hook);
      if (at >= 0) this.hooks.splice(at, 1);
    };
    return { remove, [Symbol.dispose ?? Symbol.for("Symbol.dispose")]: remove } as RemovableHandle;
  }

  get isEmpty(): boolean {
    return this.hooks.length === 0;
  }

  [Symbol.iterator](): Iterator<H> {
    return this.hooks.slice()[Symbol.iterator]();
  }
}

export interface ModuleHooks {
  readonly forward: HookList<ForwardHook>;
  readonly forwardPre: HookList<ForwardPreHook>;
}
