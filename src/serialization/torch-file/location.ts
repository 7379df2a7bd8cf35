/** `map_location`: where the tensors of a file go. Here everything goes to the CPU; what matters is whether that is meant. */
import { Device } from "../../device.ts";
import { NotImplementedError, RuntimeError } from "../../errors.ts";
import { describe } from "../../shape.ts";

/** What a `map_location` function gets for a storage. */
export interface StoredStorage {
  readonly nbytes: number;
  /** Where it is now: the CPU. */
  readonly device: string;
}

/**
 * As PyTorch's: a device for everything, devices by saved location, or a function of each storage and its saved location,
 * which returns the storage to take it as it is, or null for the default.
 */
export type MapLocation =
  | string
  | Device
  | Readonly<Record<string, string | Device>>
  | ((storage: StoredStorage, location: string) => StoredStorage | null | undefined);

/** Throws unless a storage saved from `location` may be put into the CPU's memory. */
export function checkLocation(map: MapLocation | null, location: string, nbytes: number): void {
  let target = location;
  if (typeof map === "function") {
    const result = map({ nbytes, device: "cpu" }, location);
    if (result !== null && result !== undefined) return;
  } else if (typeof map === "string" || map instanceof Device) target = String(map);
  else if (map !== null && typeof map === "object") {
    if (Object.hasOwn(map, location)) target = String(map[location]);
  } else if (map !== null)
    throw new TypeError(`map_location must be a device, a dict or a function, not ${describe(map)}`);
  if (/^cpu(:0)?$/.test(target)) return;
  if (target === "meta") throw new NotImplementedError("tensors on the meta device are not supported");
  const name = target.replace(/:\d+$/, "").slice(0, 20);
  throw new RuntimeError(
    `Attempting to deserialize object on a ${name.toUpperCase()} device but only the CPU is available. Please use torch.load with { map_location: "cpu" } to map your storages to the CPU.`,
  );
}
