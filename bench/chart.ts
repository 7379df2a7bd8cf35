/** The ratios of all rows as a picture: a line for each network and for each group of other rows, a mark for each row. */
import type { RowResult } from "./measure.ts";
import type { Measurement } from "./report.ts";
import type { Group } from "./rows/index.ts";
import { KINDLING, PYTORCH, quotient } from "./table.ts";

interface Series {
  readonly label: string;
  readonly color: string;
  readonly filled: boolean;
  readonly other: string;
  readonly results: readonly RowResult[];
}

interface Panel {
  readonly title: string;
  /** The ratios at the ends of the scale. */
  readonly range: readonly [number, number];
  readonly series: readonly Series[];
}

interface Line {
  readonly label: string;
  readonly rows: readonly string[];
}

const LABELS = 280;
const PANEL = 330;
const GAP = 56;
const LINE = 26;
const TOP = 86;
const INK = "#24292f";
const PALE = "#d8dee4";
const COLORS = ["#0969da", "#bc4c00", "#1a7f37", "#8250df"];

export function chart(measurements: readonly Measurement[], groups: readonly Group[]): string {
  const lines = linesOf(measurements, groups);
  const panels = panelsOf(measurements);
  const width = LABELS + panels.length * (PANEL + GAP);
  const height = TOP + lines.length * LINE + 34;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="${INK}">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...lines.map(({ label }, i) => text(LABELS - 14, yOf(i) + 4, label, "end")),
    ...panels.flatMap((panel, p) => panelParts(panel, LABELS + p * (PANEL + GAP), lines)),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

/** Networks have a line each, other rows a line for their group. */
function linesOf(measurements: readonly Measurement[], groups: readonly Group[]): Line[] {
  const measured = new Set(measurements.flatMap(({ results }) => results.map(({ row }) => row)));
  const [networks, ...others] = groups.map(({ title, rows }) => ({
    label: title,
    rows: rows.map(({ name }) => name).filter((name) => measured.has(name)),
  }));
  const lines = networks.rows.map((name) => ({ label: shortened(name), rows: [name] }));
  return [...lines, ...others].filter(({ rows }) => rows.length > 0);
}

/** Without what stands in brackets. */
function shortened(name: string): string {
  return name.replace(/ \(.*?\)/, "");
}

function panelsOf(measurements: readonly Measurement[]): Panel[] {
  const series = (other: string, index: number): Series[] =>
    measurements
      .filter(({ contenders }) => contenders.includes(other))
      .map(({ threads, results }, i) => ({
        label: `${other}, ${threads} thread${threads === 1 ? "" : "s"}`,
        color: COLORS[index % COLORS.length],
        filled: i === 0,
        other,
        results,
      }));
  const peers = [...new Set(measurements.flatMap(({ contenders }) => contenders))].filter(
    (name) => !name.startsWith(KINDLING) && name !== PYTORCH,
  );
  return [
    { title: "PyTorch's time over Kindling's", series: series(PYTORCH, 0) },
    { title: "JavaScript libraries' times over Kindling's", series: peers.flatMap((name, i) => series(name, i + 1)) },
  ]
    .filter((panel) => panel.series.length > 0)
    .map((panel) => ({ ...panel, range: rangeOf(panel.series) }));
}

function ratioOf(result: RowResult, other: string): number | null {
  return quotient(result.outcomes, other, KINDLING, "median");
}

/** Whole factors of two or ten around all ratios. */
function rangeOf(series: readonly Series[]): [number, number] {
  const ratios = series.flatMap(({ results, other }) => results.map((r) => ratioOf(r, other) ?? 1));
  const base = Math.max(...ratios) / Math.min(...ratios) > 64 ? 10 : 2;
  const exponent = (ratio: number) => Math.log(ratio) / Math.log(base);
  return [base ** Math.floor(exponent(Math.min(0.5, ...ratios))), base ** Math.ceil(exponent(Math.max(2, ...ratios)))];
}

function yOf(line: number): number {
  return TOP + line * LINE + LINE / 2;
}

function panelParts({ title, range, series }: Panel, left: number, lines: readonly Line[]): string[] {
  const [low, high] = range;
  const x = (ratio: number) => left + (PANEL * Math.log(ratio / low)) / Math.log(high / low);
  const bottom = TOP + lines.length * LINE;
  const parts = [`<text x="${left}" y="20" font-size="14" font-weight="600">${escaped(title)}</text>`];
  for (const [i, { label, color, filled }] of series.entries()) {
    const [column, row] = [i % 2, Math.floor(i / 2)];
    const at = left + column * 168 + 6;
    parts.push(mark(at, 38 + row * 17, color, filled, label), text(at + 10, 42 + row * 17, label, "start"));
  }
  for (const ratio of ticks(low, high)) {
    const one = ratio === 1;
    parts.push(
      `<line x1="${x(ratio).toFixed(1)}" x2="${x(ratio).toFixed(1)}" y1="${TOP}" y2="${bottom}" stroke="${one ? INK : PALE}" stroke-width="${one ? 1.5 : 1}"/>`,
      text(x(ratio), bottom + 17, `${ratio >= 1 ? ratio : `1/${1 / ratio}`}`, "middle"),
    );
  }
  for (const [i, { rows }] of lines.entries()) {
    for (const [s, { results, other, color, filled, label }] of series.entries()) {
      // Series lie beside each other, so that none hides another.
      const y = yOf(i) + (s - (series.length - 1) / 2) * Math.min(6, (LINE - 10) / series.length);
      for (const result of results) {
        const ratio = rows.includes(result.row) ? ratioOf(result, other) : null;
        if (ratio !== null)
          parts.push(mark(x(ratio), y, color, filled, `${result.row}: ${ratio.toFixed(2)} (${label})`));
      }
    }
  }
  return parts;
}

function ticks(low: number, high: number): number[] {
  const base = high / low > 256 ? 10 : 2;
  const list: number[] = [];
  for (let exponent = Math.ceil(Math.log(low) / Math.log(base) - 1e-6); base ** exponent <= high * 1.001; exponent++)
    list.push(base ** exponent);
  return list;
}

function mark(x: number, y: number, color: string, filled: boolean, title: string): string {
  const paint = filled ? `fill="${color}" fill-opacity="0.75"` : `fill="#ffffff" stroke="${color}" stroke-width="1.3"`;
  return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3.2" ${paint}><title>${escaped(title)}</title></circle>`;
}

function text(x: number, y: number, content: string, anchor: string): string {
  return `<text x="${x.toFixed(1)}" y="${y}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
