/** Calls of modules with hooks around them. */
import { RuntimeError } from "../errors.ts";
import { isOptions } from "../keywords.ts";
import { warn } from "../warnings.ts";
import { attachOldHooks, CallBackwardHooks } from "./backward-hooks.ts";
import { globalHooks } from "./global-hooks.ts";
import type {
  CallHooks,
  ForwardEntry,
  ForwardHook,
  ForwardHookWithKwargs,
  ForwardPreHook,
  ForwardPreHookWithKwargs,
  Keywords,
  ModuleHooks,
} from "./hooks.ts";
import type { Module } from "./module.ts";

/** What a call is about to do, as hooks change it. */
interface Call {
  args: unknown[];
  kwargs: Keywords;
  /** What was computed so far. */
  result: unknown;
}

/** Calls `forward` of a module. */
export function callModule(module: Module, hooks: ModuleHooks | null, args: unknown[]): unknown {
  if ((hooks === null || hooks.isEmpty) && (!globalHooks.used || globalHooks.isEmpty)) {
    const forward = module.forward as (...args: unknown[]) => unknown;
    return args.length === 1 ? forward.call(module, args[0]) : forward.apply(module, args);
  }
  const kinds: readonly CallHooks[] = hooks === null ? [globalHooks] : [globalHooks, hooks];
  const last = args[args.length - 1];
  const keyed = args.length > 1 && isOptions(last);
  const call: Call = { args: keyed ? args.slice(0, -1) : args, kwargs: keyed ? { ...last } : {}, result: null };
  const called = new Set<ForwardEntry>();
  try {
    return run(module, kinds, call, called);
  } catch (error) {
    for (const kind of kinds) callAlways(module, kind, call, called);
    throw error;
  }
}

function run(module: Module, kinds: readonly CallHooks[], call: Call, called: Set<ForwardEntry>): unknown {
  const preHooks = kinds.flatMap((kind) => kind.backwardPre.list());
  const full = kinds.flatMap((kind) => (kind.backwardIsFull === true ? kind.backward.list() : []));
  const old = kinds.flatMap((kind) => (kind.backwardIsFull === false ? kind.backward.list() : []));
  for (const { hook, withKwargs } of kinds.flatMap((kind) => kind.forwardPre.list())) {
    if (withKwargs) replaceBoth(call, (hook as ForwardPreHookWithKwargs)(module, call.args, call.kwargs));
    else {
      const args = (hook as ForwardPreHook)(module, call.args);
      if (args !== null && args !== undefined) call.args = Array.isArray(args) ? args : [args];
    }
  }
  const backward = full.length > 0 || preHooks.length > 0 ? new CallBackwardHooks(module, full, preHooks) : null;
  if (backward !== null) call.args = backward.inputs(call.args);
  const forward = module.forward as (...args: unknown[]) => unknown;
  call.result =
    Object.keys(call.kwargs).length > 0
      ? forward.call(module, ...call.args, call.kwargs)
      : forward.apply(module, call.args);
  for (const entry of kinds.flatMap((kind) => kind.forward.list())) {
    if (entry.alwaysCall) called.add(entry);
    call.result = hooked(module, entry, call) ?? call.result;
  }
  if (backward !== null) call.result = backward.outputs(call.result);
  if (old.length > 0) attachOldHooks(module, old, call.args, call.result);
  return call.result;
}

function replaceBoth(call: Call, returned: unknown): void {
  if (returned === null || returned === undefined) return;
  if (!Array.isArray(returned) || returned.length !== 2 || !isOptions(returned[1])) {
    throw new RuntimeError(
      `forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got ${String(returned)}.`,
    );
  }
  const [args, kwargs] = returned as [unknown, Keywords];
  call.args = Array.isArray(args) ? args : [args];
  call.kwargs = kwargs;
}

function hooked(module: Module, { hook, withKwargs }: ForwardEntry, { args, kwargs, result }: Call): unknown {
  return withKwargs
    ? (hook as ForwardHookWithKwargs)(module, args, kwargs, result)
    : (hook as ForwardHook)(module, args, result);
}

/** After an error: runs the hooks that are to run always, and have not. */
function callAlways(module: Module, kind: CallHooks, call: Call, called: ReadonlySet<ForwardEntry>): void {
  for (const entry of kind.forward.list()) {
    if (!entry.alwaysCall || called.has(entry)) continue;
    try {
      call.result = hooked(module, entry, call) ?? call.result;
    } catch (error) {
      const what = kind === globalHooks ? "global module" : "module";
      warn(
        `${what} forward hook with \`\`always_call=True\`\` raised an exception that was silenced as another error was raised in forward: ${(error as Error).message}`,
      );
    }
  }
}
