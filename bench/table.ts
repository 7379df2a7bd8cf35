/** The results as a table in Markdown. */
import type { Outcome, RowResult, Timing } from "./measure.ts";
import type { Measurement } from "./report.ts";
import type { Row } from "./row.ts";

/** What we want of the time of every library written in JavaScript over ours. */
export const PEER_BAR = 4;

/** Names of contenders, which are the keys of a row's outcomes. */
export const KINDLING = "Kindling";
export const NARROW = "Kindling, 128 bits";
export const PYTORCH = "PyTorch";

/** Kindling on a page of a browser, with or without cross-origin isolation. */
export function inBrowser(isolated: boolean): string {
  return isolated ? "Chromium, isolated" : "Chromium";
}

/** Kindling where its vectors have 128 bits: measured against PyTorch with a bar of its own. */
const NARROW_KINDLINGS: readonly string[] = [NARROW, inBrowser(false), inBrowser(true)];

/** Libraries that the bar for JavaScript does not hold for: those that are native code. */
const NATIVE: readonly string[] = [PYTORCH, "onnxruntime-node"];

/** What is said above a table. */
export const LEGEND =
  "Times are medians of one call, the best in brackets. Ratios are the other's time over Kindling's: over 1, Kindling is faster. " +
  `✓ and ✗ say whether a ratio of medians meets its bar: that of the row against PyTorch, ${PEER_BAR} against libraries in JavaScript and WebAssembly ` +
  "(onnxruntime is native code and has none).";

/** What is said above a summary. */
export const SUMMARY_LEGEND =
  "Kindling's columns: the median time of one call, and PyTorch's time over it. Other columns: that library's time over Kindling's. " +
  `Over 1, Kindling is faster; ✓ and ✗ say whether the bar is met, which is ${PEER_BAR} for libraries in JavaScript and WebAssembly.`;

interface Column {
  readonly title: string;
  cell(row: Row, outcomes: RowResult["outcomes"]): string;
}

export function table(results: readonly RowResult[], rows: readonly Row[], contenders: readonly string[]): string {
  const notes = new Notes();
  const columns = columnsFor(contenders, notes);
  const body = results.map(({ row: name, outcomes }) => {
    const row = rows.find((r) => r.name === name) as Row;
    return [name, ...columns.map((column) => column.cell(row, outcomes))];
  });
  return markdown(["row", ...columns.map(({ title }) => title)], body, notes);
}

function columnsFor(contenders: readonly string[], notes: Notes): Column[] {
  const columns = [time(KINDLING, notes)];
  for (const name of contenders) {
    if (name === KINDLING) continue;
    if (name === PYTORCH) columns.push(time(name, notes), ...pytorchRatios(KINDLING, (row) => row.bar));
    else if (NARROW_KINDLINGS.includes(name)) {
      columns.push(time(name, notes));
      if (contenders.includes(PYTORCH)) columns.push(...pytorchRatios(name, (row) => row.narrowBar));
    } else columns.push(peerRatio(name, notes));
  }
  return columns;
}

/** One table for several numbers of threads. */
export function summary(measurements: readonly Measurement[], rows: readonly Row[]): string {
  const notes = new Notes();
  const several = measurements.length > 1;
  const found = measurements.map(({ results }) => new Map(results.map(({ row, outcomes }) => [row, outcomes])));
  const columns = measurements.flatMap(({ threads, contenders }, i) =>
    contenders
      .filter((name) => name !== PYTORCH)
      .map((name) => ({
        title: several ? `${name}, ${threads} thread${threads === 1 ? "" : "s"}` : name,
        cell: (row: Row) => summaryCell(name, row, found[i].get(row.name) ?? {}, notes),
      })),
  );
  const body = rows
    .filter((row) => found.some((outcomes) => outcomes.has(row.name)))
    .map((row) => [row.name, row.bar?.toFixed(1) ?? "", ...columns.map(({ cell }) => cell(row))]);
  return markdown(["row", "bar", ...columns.map(({ title }) => title)], body, notes);
}

function summaryCell(name: string, row: Row, outcomes: RowResult["outcomes"], notes: Notes): string {
  if (!isKindling(name)) {
    const bar = NATIVE.includes(name) ? undefined : PEER_BAR;
    return ratio(outcomes, name, KINDLING, bar) ?? notes.missing(name, outcomes[name]);
  }
  const timing = timingOf(outcomes[name]);
  if (timing === null) return notes.missing(name, outcomes[name]);
  const against = ratio(outcomes, PYTORCH, name, name === KINDLING ? row.bar : row.narrowBar);
  return `${duration(timing.median)}${against === null ? "" : ` · ${against}`}`;
}

function isKindling(name: string): boolean {
  return name === KINDLING || NARROW_KINDLINGS.includes(name);
}

function markdown(head: readonly string[], body: readonly (readonly string[])[], notes: Notes): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, i) => (i === 0 ? "---" : "---:"));
  return [line(head), line(rule), ...body.map(line), ...notes.lines()].join("\n");
}

function time(name: string, notes: Notes): Column {
  return { title: name, cell: (_, outcomes) => timingText(outcomes[name]) ?? notes.missing(name, outcomes[name]) };
}

function pytorchRatios(ours: string, bar: (row: Row) => number | undefined): Column[] {
  const title = `${PYTORCH} / ${ours}`;
  return [
    { title, cell: (row, outcomes) => ratio(outcomes, PYTORCH, ours, bar(row)) ?? "–" },
    { title: "of bests", cell: (_, outcomes) => quotient(outcomes, PYTORCH, ours, "best")?.toFixed(2) ?? "–" },
    { title: "bar", cell: (row) => bar(row)?.toFixed(1) ?? "" },
  ];
}

function peerRatio(name: string, notes: Notes): Column {
  const bar = NATIVE.includes(name) ? undefined : PEER_BAR;
  return {
    title: `${name} / ${KINDLING}`,
    cell: (_, outcomes) => ratio(outcomes, name, KINDLING, bar) ?? notes.missing(name, outcomes[name]),
  };
}

/** Why figures are missing: each reason once, below the table. */
class Notes {
  private readonly numbers = new Map<string, number>();

  missing(name: string, outcome: Outcome | undefined): string {
    if (outcome === null || outcome === undefined || !("error" in outcome)) return "–";
    const reason = `${name}: ${outcome.error.replaceAll(/\s+/g, " ").replaceAll("|", "\\|").slice(0, 200)}`;
    const number = this.numbers.get(reason) ?? this.numbers.size + 1;
    this.numbers.set(reason, number);
    return `– (${number})`;
  }

  lines(): string[] {
    if (this.numbers.size === 0) return [];
    return ["", ...[...this.numbers].map(([reason, number]) => `(${number}) ${reason}  `)];
  }
}

function timingOf(outcome: Outcome | undefined): Timing | null {
  return outcome && "timing" in outcome ? outcome.timing : null;
}

function timingText(outcome: Outcome | undefined): string | null {
  const timing = timingOf(outcome);
  return timing && `${duration(timing.median)} (${duration(timing.best)})`;
}

/** The time of `theirs` over that of `ours`. Null where one of them is missing. */
export function quotient(
  outcomes: RowResult["outcomes"],
  theirs: string,
  ours: string,
  which: "median" | "best",
): number | null {
  const [a, b] = [timingOf(outcomes[theirs]), timingOf(outcomes[ours])];
  return a && b && a[which] / b[which];
}

function ratio(outcomes: RowResult["outcomes"], theirs: string, ours: string, bar: number | undefined): string | null {
  const value = quotient(outcomes, theirs, ours, "median");
  if (value === null) return null;
  const text = value < 10 ? value.toFixed(2) : value.toFixed(0);
  return bar === undefined ? text : `${text} ${value >= bar ? "✓" : "✗"}`;
}

function duration(nanoseconds: number): string {
  if (nanoseconds < 1e6) return `${(nanoseconds / 1e3).toPrecision(3)} µs`;
  if (nanoseconds < 1e9) return `${(nanoseconds / 1e6).toPrecision(3)} ms`;
  return `${(nanoseconds / 1e9).toPrecision(3)} s`;
}
