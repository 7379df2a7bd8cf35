/**
 * What tensors take, as `torch.accelerator` and `torch.cuda` tell it for a device: here for the CPU, where the engine has an
 * allocator of its own. https://docs.pytorch.org/docs/stable/accelerator.html
 *
 * JavaScript does not tell when an object dies: what counts as allocated may be dead. `empty_cache()` looks, where the
 * engine can be asked.
 */
import { heap } from "./storage.ts";

/**
 * Counts of the allocator. `.current`, `.peak`, `.allocated` (in total, ever) and `.freed` of
 * - `allocation.all`: blocks; small tensors share blocks of 16 KiB,
 * - `allocated_bytes.all`: bytes in blocks,
 * - `reserved_bytes.all`: bytes of the WebAssembly memory, which never shrinks;
 *
 * and `num_alloc_retries`, allocations for which room had to be made at the limit, and `num_ooms`. Not in PyTorch:
 * `engine_bytes`, memory of the engine itself, such as scratch; `collection_ms`, `num_collections` and `num_full_collections`, how often the engine was asked what is reachable; `num_compactions`, how often
 * blocks were moved together; `num_spills`, `spilled_bytes` and `restored_bytes`, blocks moved out of the heap and back.
 */
export function memory_stats(): Record<string, number> {
  return heap.stats.snapshot();
}

/** Bytes that tensors take, those included that are dead and not yet found to be. */
export function memory_allocated(): number {
  return heap.stats.blockBytes.current;
}

/** The highest `memory_allocated()` since the start, or since `reset_peak_memory_stats()`. */
export function max_memory_allocated(): number {
  return heap.stats.blockBytes.peak;
}

/** Bytes of the WebAssembly memory in which tensors lie. */
export function memory_reserved(): number {
  return heap.stats.reservedBytes.current;
}

/** The highest `memory_reserved()`. */
export function max_memory_reserved(): number {
  return heap.stats.reservedBytes.peak;
}

/** Peaks are counted from now on. */
export function reset_peak_memory_stats(): void {
  heap.stats.resetPeaks();
}

/** What was allocated and freed is counted from now on. */
export function reset_accumulated_memory_stats(): void {
  heap.stats.resetAccumulated();
}

/**
 * Finds all dead tensors and frees their memory, where the engine can be asked at once (Node): as PyTorch's, this changes
 * no result and makes no tensor smaller. The WebAssembly memory keeps its size.
 */
export function empty_cache(): void {
  heap.collect(true);
}

/** A table of `memory_stats()`. */
export function memory_summary(): string {
  const stats = memory_stats();
  const rows: readonly (readonly [string, string])[] = [
    ["Allocated memory", "allocated_bytes.all"],
    ["Reserved memory", "reserved_bytes.all"],
    ["Allocations", "allocation.all"],
  ];
  const cell = (key: string): string => (key.startsWith("allocation") ? String(stats[key]) : sizeText(stats[key]));
  const line = (cells: readonly string[]): string =>
    `| ${cells[0].padEnd(18)} | ${cells
      .slice(1)
      .map((c) => c.padStart(11))
      .join(" | ")} |`;
  const rule = "-".repeat(line(["", "", "", "", ""]).length);
  const table = rows.map(([title, key]) =>
    line([title, ...["current", "peak", "allocated", "freed"].map((metric) => cell(`${key}.${metric}`))]),
  );
  const { spilled_bytes, restored_bytes } = stats;
  return [
    rule,
    line(["Metric", "Cur Usage", "Peak Usage", "Tot Alloc", "Tot Freed"]),
    rule,
    ...table,
    rule,
    `| retries: ${stats.num_alloc_retries}, out of memory: ${stats.num_ooms}, collections: ${stats.num_collections} (${stats.num_full_collections} full), compactions: ${stats.num_compactions}`,
    `| spills: ${stats.num_spills}, ${sizeText(spilled_bytes)} out, ${sizeText(restored_bytes)} back`,
    rule,
  ].join("\n");
}

/** Bytes as PyTorch's summary has them. */
function sizeText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 768 * 1024 && unit < units.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${Math.trunc(bytes)} ${units[unit]}`;
}

/**
 * Sets how many bytes of tensors the heap may hold before those used longest ago move to ordinary ArrayBuffers, and
 * how far it may grow at all (4 GiB at most). By default half of the machine's memory in Node, and 384 MiB elsewhere.
 */
export function set_memory_limit(soft: number, hard?: number): void {
  heap.setLimits(soft, hard);
}
