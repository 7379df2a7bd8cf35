/** The results as a table in Markdown. */
import os from "node:os";
import type { Contender } from "./contender.ts";
import type { Outcome, RowResult } from "./measure.ts";
import type { Row } from "./row.ts";

/** What the figures hold for. */
export function heading(contenders: readonly Contender[], threads: number): string[] {
  const cpus = os.cpus();
  return [
    `${cpus[0]?.model.trim() ?? os.arch()}, ${cpus.length} cores, ${threads} thread${threads === 1 ? "" : "s"}; ${os.type()} ${os.release()}`,
    `Node ${process.versions.node} (V8 ${process.versions.v8})`,
    ...contenders.map((c) => c.description),
    new Date().toISOString().slice(0, 10),
    "Times are medians of one call (best in brackets). Ratios are PyTorch's time over ours: over 1, Kindling is faster. ✓ and ✗: whether the median meets the row's bar.",
  ];
}

export function table(results: readonly RowResult[], rows: readonly Row[]): string {
  const [, ...others] = Object.keys(results[0]?.outcomes ?? {}).filter((n) => n.startsWith("Kindling"));
  const narrow = others.length > 0;
  const head = ["row", "Kindling", "PyTorch", "ratio", "of bests", "bar"];
  if (narrow) head.push("128 bits", "ratio", "bar");
  const body = results.map(({ row, outcomes }, i) => {
    const { Kindling: ours, PyTorch: theirs, "Kindling, 128 bits": slow } = outcomes;
    const cells = [
      row,
      cell(ours),
      cell(theirs),
      ratio(theirs, ours, "median"),
      ratio(theirs, ours, "best"),
      bar(rows[i].bar, theirs, ours),
    ];
    if (narrow) cells.push(cell(slow), ratio(theirs, slow, "median"), bar(rows[i].narrowBar, theirs, slow));
    return cells;
  });
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, i) => (i === 0 ? "---" : "---:"));
  return [line(head), line(rule), ...body.map(line)].join("\n");
}

function cell(outcome: Outcome | undefined): string {
  if (outcome === null || outcome === undefined) return "–";
  if ("error" in outcome) return outcome.error.replaceAll("|", "\\|").replaceAll(/\s+/g, " ").slice(0, 120);
  const { median, best } = outcome.timing;
  return `${duration(median)} (${duration(best)})`;
}

function quotient(theirs: Outcome | undefined, ours: Outcome | undefined, which: "median" | "best"): number | null {
  if (!theirs || !ours || "error" in theirs || "error" in ours) return null;
  return theirs.timing[which] / ours.timing[which];
}

function ratio(theirs: Outcome | undefined, ours: Outcome | undefined, which: "median" | "best"): string {
  return quotient(theirs, ours, which)?.toFixed(2) ?? "–";
}

function bar(wanted: number | undefined, theirs: Outcome | undefined, ours: Outcome | undefined): string {
  if (wanted === undefined) return "";
  const found = quotient(theirs, ours, "median");
  return `${wanted}${found === null ? "" : found >= wanted ? " ✓" : " ✗"}`;
}

function duration(nanoseconds: number): string {
  if (nanoseconds < 1e6) return `${(nanoseconds / 1e3).toPrecision(3)} µs`;
  if (nanoseconds < 1e9) return `${(nanoseconds / 1e6).toPrecision(3)} ms`;
  return `${(nanoseconds / 1e9).toPrecision(3)} s`;
}
