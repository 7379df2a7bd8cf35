/** What a run found: the tables with what they hold for. */
import os from "node:os";
import type { Contender } from "./contender.ts";
import type { RowResult } from "./measure.ts";
import type { Row } from "./row.ts";
import { LEGEND, table } from "./table.ts";

/** The rows as measured with one number of threads. */
export interface Measurement {
  readonly threads: number;
  /** Names of the contenders, in the order of the columns. */
  readonly contenders: readonly string[];
  /** Their versions and settings. */
  readonly descriptions: readonly string[];
  readonly results: readonly RowResult[];
}

export function measurement(
  threads: number,
  contenders: readonly Contender[],
  results: readonly RowResult[],
): Measurement {
  return {
    threads,
    contenders: contenders.map(({ name }) => name),
    descriptions: contenders.map(({ description }) => description),
    results,
  };
}

export function machine(): string {
  const cpus = os.cpus();
  return `${cpus[0]?.model.trim() || os.arch()}, ${cpus.length} cores, ${os.type()} ${os.release()}`;
}

/** The figures of one number of threads, with a heading. */
export function section({ threads, contenders, descriptions, results }: Measurement, rows: readonly Row[]): string {
  const heading = [
    `**${threads} thread${threads === 1 ? "" : "s"}** of ${machine()}; Node ${process.versions.node}; ${new Date().toISOString().slice(0, 10)}`,
    descriptions.join("; "),
  ];
  return `${heading.join("  \n")}\n\n${table(results, rows, contenders)}`;
}

export function report(measurements: readonly Measurement[], rows: readonly Row[]): string {
  return [LEGEND, ...measurements.map((m) => section(m, rows))].join("\n\n");
}
