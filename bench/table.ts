/** The results as a table in Markdown. */
import type { Outcome, RowResult, Timing } from "./measure.ts";
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

interface Column {
  readonly title: string;
  cell(row: Row, outcomes: RowResult["outcomes"]): string;
}

export function table(results: readonly RowResult[], rows: readonly Row[], contenders: readonly string[]): string {
  const notes = new Notes();
  const columns = columnsFor(contenders, notes);
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const head = ["row", ...columns.map(({ title }) => title)];
  const rule = head.map((_, i) => (i === 0 ? "---" : "---:"));
  const body = results.map(({ row: name, outcomes }) => {
    const row = rows.find((r) => r.name === name) as Row;
    return line([name, ...columns.map((column) => column.cell(row, outcomes))]);
  });
  return [line(head), line(rule), ...body, ...notes.lines()].join("\n");
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
