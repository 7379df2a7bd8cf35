/** What runs have found, kept in a file of JSON that later runs add to, and shown in the README. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import { chart } from "./chart.ts";
import type { Contender } from "./contender.ts";
import type { RowResult } from "./measure.ts";
import { groups, rows } from "./rows/index.ts";
import { LEGEND, SUMMARY_LEGEND, summary, table } from "./table.ts";

/** The rows as measured with one number of threads. */
export interface Measurement {
  readonly threads: number;
  /** Names of the contenders, in the order of the columns. */
  readonly contenders: readonly string[];
  /** Their versions and settings. */
  readonly descriptions: readonly string[];
  readonly machine: string;
  readonly date: string;
  readonly results: readonly RowResult[];
}

export function measurement(
  threads: number,
  contenders: readonly Contender[],
  results: readonly RowResult[],
): Measurement {
  const cpus = os.cpus();
  return {
    threads,
    contenders: contenders.map(({ name }) => name),
    descriptions: contenders.map(({ description }) => description),
    machine: `${cpus[0]?.model.trim() || os.arch()}, ${cpus.length} cores, ${os.type()} ${os.release()}, Node ${process.versions.node}`,
    date: new Date().toISOString().slice(0, 10),
    results,
  };
}

function threadsText(threads: number): string {
  return `${threads} thread${threads === 1 ? "" : "s"}`;
}

/** All figures of some measurements, as text. */
export function report(measurements: readonly Measurement[]): string {
  const sections = measurements.map((m) => {
    const heading = `**${threadsText(m.threads)}**: ${m.machine}; ${m.date}  \n${m.descriptions.join("; ")}`;
    return `${heading}\n\n${table(m.results, rows, m.contenders)}`;
  });
  return [LEGEND, ...sections].join("\n\n");
}

/** Adds measurements to those in a file: rows measured again replace what was there. */
export function addToFile(path: string, measurements: readonly Measurement[]): void {
  const merged = new Map((existsSync(path) ? readFile(path) : []).map((m) => [m.threads, m]));
  for (const added of measurements) merged.set(added.threads, joined(merged.get(added.threads), added));
  writeFileSync(path, `${JSON.stringify([...merged.values()], null, 1)}\n`);
}

function joined(old: Measurement | undefined, added: Measurement): Measurement {
  if (old === undefined) return added;
  const results = new Map([...old.results, ...added.results].map((result) => [result.row, result]));
  const order = rows.map((row) => row.name);
  return {
    ...added,
    contenders: [...new Set([...old.contenders, ...added.contenders])],
    descriptions: [...new Set([...old.descriptions, ...added.descriptions])],
    results: [...results.values()].sort((a, b) => order.indexOf(a.row) - order.indexOf(b.row)),
  };
}

export function readFile(path: string): Measurement[] {
  return JSON.parse(readFileSync(path, "utf8")) as Measurement[];
}

const README = new URL("../README.md", import.meta.url);
const CHART = new URL("../docs/benchmark.svg", import.meta.url);

/** Writes what some files hold into the README, each as a table between `<!-- benchmark N -->` and `<!-- /benchmark N -->`, and the chart of the first. */
export function publish(paths: readonly string[]): void {
  let readme = readFileSync(README, "utf8");
  for (const [i, path] of paths.entries()) {
    const measurements = readFile(path);
    const [{ machine, date }] = measurements;
    const descriptions = [...new Set(measurements.flatMap((m) => m.descriptions))];
    const text = [
      `${machine}; ${descriptions.join("; ")}; ${date}. ${SUMMARY_LEGEND}`,
      summary(measurements, rows),
    ].join("\n\n");
    readme = replaceBetween(readme, `<!-- benchmark ${i + 1} -->`, `<!-- /benchmark ${i + 1} -->`, text);
    if (i === 0) writeFileSync(CHART, chart(measurements, groups));
  }
  writeFileSync(README, readme);
}

function replaceBetween(text: string, begin: string, end: string, content: string): string {
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to === -1) throw new Error(`the README has no place ${begin} … ${end}`);
  return `${text.slice(0, from + begin.length)}\n\n${content}\n\n${text.slice(to)}`;
}
