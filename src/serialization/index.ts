/** `torch.serialization`. */
export { type LoadOptions, load } from "./load.ts";
export { type SaveTarget, save, to_bytes } from "./save.ts";
export type { FileSource, Progress } from "./source.ts";
export type { MapLocation, StoredStorage } from "./torch-file/location.ts";
