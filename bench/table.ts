/** The results as a table in Markdown. */
import os from "node:os";
import type { Contender } from "./contender.ts";
import type { Outcome, RowResult } from "./measure.ts";

/** What the figures hold for. */
export function heading(contenders: readonly Contender[], threads: number): string {
  const cpus = os.cpus();
  return [
    `${cpus[0]?.model.trim() ?? os.arch()}, ${cpus.length} cores, ${threads} thread${threads === 1 ? "" : "s"}; ${os.type()} ${os.release()}`,
    ...contenders.map((c) => c.description),
    new Date().toISOString().slice(0, 10),
    "Times are medians of one call (best in brackets). Ratios are their time over ours: over 1, Kindling is faster.",
  ].join("  \n");
}

export function table(results: readonly RowResult[], contenders: readonly Contender[]): string {
  const [ours, ...others] = contenders.map((c) => c.name);
  const head = ["row", ours, ...others.flatMap((name) => [name, `${name} / ${ours}, medians`, "bests"])];
  const body = results.map(({ row, outcomes }) => [
    row,
    cell(outcomes[ours]),
    ...others.flatMap((name) => [
      cell(outcomes[name]),
      ratio(outcomes[name], outcomes[ours], "median"),
      ratio(outcomes[name], outcomes[ours], "best"),
    ]),
  ]);
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, i) => (i === 0 ? "---" : "---:"));
  return [line(head), line(rule), ...body.map(line)].join("\n");
}

function cell(outcome: Outcome): string {
  if (outcome === null || outcome === undefined) return "–";
  if ("error" in outcome) return outcome.error.replaceAll("|", "\\|").replaceAll(/\s+/g, " ").slice(0, 120);
  const { median, best } = outcome.timing;
  return `${duration(median)} (${duration(best)})`;
}

function ratio(theirs: Outcome, ours: Outcome, which: "median" | "best"): string {
  if (!theirs || !ours || "error" in theirs || "error" in ours) return "–";
  return (theirs.timing[which] / ours.timing[which]).toFixed(2);
}

function duration(nanoseconds: number): string {
  if (nanoseconds < 1e6) return `${(nanoseconds / 1e3).toPrecision(3)} µs`;
  if (nanoseconds < 1e9) return `${(nanoseconds / 1e6).toPrecision(3)} ms`;
  return `${(nanoseconds / 1e9).toPrecision(3)} s`;
}
