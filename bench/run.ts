/**
 * Kindling against PyTorch on the same machine, the same data and the same number of threads:
 *
 *   npm run bench -- [options]
 *
 *   --only PATTERN     only rows whose name matches the regular expression
 *   --quick            little time for each row: two minutes for all
 *   --threads 1,2      the numbers of threads, each with a table of its own. Default 1
 *   --alone            Kindling only
 *   --no-revectorize   also Kindling without 256-bit vectors, as it runs in a browser
 *   --json FILE        also writes all figures to a file
 *
 * PyTorch takes part where `python3` has it, or the command in the environment variable KINDLING_PYTHON. Before a row is
 * timed, the results of all contenders are compared. Then they take turns: ours, theirs, ours, …
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Contender } from "./contender.ts";
import { kindling } from "./javascript.ts";
import { type Effort, measureRow, type RowResult } from "./measure.ts";
import { pytorch } from "./pytorch.ts";
import { rows } from "./rows/index.ts";
import { heading, table } from "./table.ts";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    quick: { type: "boolean", default: false },
    threads: { type: "string", default: "1" },
    alone: { type: "boolean", default: false },
    revectorize: { type: "boolean", default: true },
    json: { type: "string" },
  },
  allowNegative: true,
});

const full: Effort = { warmup: 200, warmupLimit: 3000, turn: 100, rounds: 10, limit: 3000, pause: 0 };
const quick: Effort = { warmup: 25, warmupLimit: 800, turn: 15, rounds: 5, limit: 75, pause: 0 };

interface Table {
  readonly threads: number;
  readonly heading: readonly string[];
  readonly results: readonly RowResult[];
}

/** Who takes part; the first is the reference for results. */
async function start(threads: number): Promise<Contender[]> {
  const contenders: Contender[] = [];
  if (!options.alone) {
    const theirs = await pytorch(threads);
    if (theirs !== null) contenders.push(theirs);
    else console.error("No PyTorch: set KINDLING_PYTHON to a command that runs a Python with it.");
  }
  contenders.push(await kindling({ threads, wide: true }));
  if (!options.revectorize) contenders.push(await kindling({ threads, wide: false }));
  return contenders;
}

const pattern = new RegExp(options.only);
const chosen = rows.filter((row) => pattern.test(row.name));

async function run(threads: number): Promise<Table> {
  const contenders = await start(threads);
  const effort = { ...(options.quick ? quick : full), pause: threads > 1 ? 10 : 0 };
  const results: RowResult[] = [];
  for (const row of chosen) {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${results.length + 1}/${chosen.length} ${row.name}`);
    results.push(await measureRow(row, contenders, effort));
  }
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  for (const contender of contenders) contender.close();
  const lines = heading(contenders, threads);
  console.log(`${lines.join("  \n")}\n\n${table(results, chosen)}\n`);
  return { threads, heading: lines, results };
}

const tables: Table[] = [];
for (const threads of options.threads.split(",")) tables.push(await run(Number(threads)));
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(tables, null, 2)}\n`);
