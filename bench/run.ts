/**
 * Kindling against PyTorch on the same machine, the same data and the same number of threads:
 *
 *   npm run bench -- [options]
 *
 *   --only PATTERN   only rows whose name matches the regular expression
 *   --quick          less time for each row
 *   --alone          Kindling only
 *   --json FILE      also writes all figures to a file
 *
 * PyTorch takes part where `python3` has it, or the command in the environment variable KINDLING_PYTHON. Before a row is
 * timed, the results of all contenders are compared. Then they take turns: ours, theirs, ours, …
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Contender } from "./contender.ts";
import { kindling } from "./kindling.ts";
import { type Effort, measureRow, type RowResult } from "./measure.ts";
import { pytorch } from "./pytorch.ts";
import { rows } from "./rows/index.ts";
import { heading, table } from "./table.ts";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    quick: { type: "boolean", default: false },
    alone: { type: "boolean", default: false },
    json: { type: "string" },
  },
});

const THREADS = 1;
const effort: Effort = options.quick ? { warmup: 80, rounds: 4, turn: 25 } : { warmup: 200, rounds: 10, turn: 100 };

const pattern = new RegExp(options.only);
const chosen = rows.filter((row) => pattern.test(row.name));

const contenders: Contender[] = [kindling()];
if (!options.alone) {
  const theirs = await pytorch(THREADS);
  if (theirs !== null) contenders.push(theirs);
  else console.error("No PyTorch: set KINDLING_PYTHON to a command that runs a Python with it.");
}

const results: RowResult[] = [];
for (const row of chosen) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${results.length + 1}/${chosen.length} ${row.name}`);
  results.push(await measureRow(row, contenders, effort));
}
if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
for (const contender of contenders) contender.close();

const head = heading(contenders, THREADS);
console.log(`${head}\n\n${table(results, contenders)}`);
if (options.json !== undefined) {
  writeFileSync(options.json, `${JSON.stringify({ heading: head.split("  \n"), results }, null, 2)}\n`);
}
