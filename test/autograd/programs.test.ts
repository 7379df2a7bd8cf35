/**
 * Random programs (tools/golden-programs.py): what they log is what PyTorch logs, and the memory that the engine gives back
 * early is never memory that somebody still needs. `programs/fuzz.ts` runs any number of new ones.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { withoutEarlyFrees } from "../../src/autograd/mode.ts";
import { firstDifference, toleranceOf } from "./programs/compare.ts";
import { type Instruction, Machine, type ProgramLog } from "./programs/interpreter.ts";
import { asPython } from "./programs/listing.ts";

interface Golden {
  readonly seed: number;
  readonly program: readonly Instruction[];
  readonly log: ProgramLog;
}

const programs = gunzipSync(readFileSync(join(import.meta.dirname, "programs.gz")))
  .toString()
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as Golden);

function fails({ seed, program, log }: Golden, actual: ProgramLog): void {
  // The golden logs have eight digits.
  const found = firstDifference(program, actual, log, Math.max(1e-6, toleranceOf(program)));
  if (found === null) return;
  const { where, kind } = found;
  assert.fail(
    `seed ${seed}, at ${where}: ${kind}\n${JSON.stringify(found.actual)}\n${JSON.stringify(found.expected)}\n${asPython(program)}`,
  );
}

test("programs log what PyTorch logs", () => {
  for (const golden of programs) fails(golden, new Machine().run(golden.program));
});

test("early frees change nothing", () => {
  // Large enough that storages have blocks of their own, which are used again at once.
  const large = programs.filter(({ program }) => program.some(({ f, a }) => f === "leaf" && sizeOf(a[0]) > 100));
  assert.ok(large.length > 20, `only ${large.length} programs have large tensors`);
  for (const { seed, program } of large) {
    const quick = new Machine().run(program);
    const slow = withoutEarlyFrees(() => new Machine().run(program));
    assert.deepEqual(quick, slow, `seed ${seed}`);
  }
});

function sizeOf(shape: unknown): number {
  return (shape as number[]).reduce((n, s) => n * s, 1);
}

test("the programs cover the language", () => {
  const seen = new Set(
    programs.flatMap(({ program }) => program.map(({ f, a }) => (f === "apply" ? String(a[0]) : f))),
  );
  assert.ok(seen.size > 150, `${seen.size} operations`);
  const errors = new Set<string>();
  for (const { log } of programs) {
    for (const [status] of log[0]) {
      if (/^\w*Error: /.test(String(status))) errors.add(String(status).replace(/\d+/g, "#"));
    }
  }
  assert.ok(errors.size > 60, `${errors.size} kinds of errors`);
});
