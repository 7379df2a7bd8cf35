/** Names of memory formats, as PyTorch has them. */
import type { MemoryFormat } from "../shape.ts";

export type { MemoryFormat };

/** Row-major order. */
export const contiguous_format = "contiguous_format";
/** The order that the input has, where it has no gaps. */
export const preserve_format = "preserve_format";
/** Images [N, C, H, W] in memory order [N, H, W, C]. */
export const channels_last = "channels_last";
/** Volumes [N, C, D, H, W] in memory order [N, D, H, W, C]. */
export const channels_last_3d = "channels_last_3d";
