/** JavaScript functions that kernels call where WebAssembly has no instruction. */
import { hostFunctions } from "../../ir/special.ts";
import type { Callable, ModuleBuilder } from "./assembler.ts";
import type { HostName } from "./scalar.ts";

/** The import object's `host` part. */
export const hostImports: WebAssembly.ModuleImports = {
  ...hostFunctions,
  fmod: (x: number, y: number): number => x % y,
};

const twoArguments = new Set<HostName>(["fmod", "pow", "atan2", "hypot", "nextafter", "zeta"]);

/** Imports host functions into `module` as they are asked for. */
export function importHost(module: ModuleBuilder): (name: HostName) => Callable {
  const imported = new Map<HostName, Callable>();
  return (name) => {
    let callable = imported.get(name);
    if (!callable) {
      callable = module.importFunction("host", name, twoArguments.has(name) ? ["f64", "f64"] : ["f64"], ["f64"]);
      imported.set(name, callable);
    }
    return callable;
  };
}
