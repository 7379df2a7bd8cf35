/**
 * Random programs, made afresh: `npx node test/autograd/programs/fuzz.ts 0 1000` makes the programs of these seeds with the
 * Python in KINDLING_PYTHON (or python3), which must have PyTorch, runs them here, and shows those that differ, each reduced to
 * the instructions that it takes. `--keep` goes on with the differences of kinds already seen; `--file F` takes programs from a file,
 * `--show` prints them as TypeScript and as Python.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { parseArgs } from "node:util";
import { type Difference, firstDifference } from "./compare.ts";
import { type Instruction, Machine, type ProgramLog } from "./interpreter.ts";
import { asPython, asTypeScript } from "./listing.ts";

interface Program {
  readonly seed: number;
  readonly program: readonly Instruction[];
  readonly log: ProgramLog;
}

const tool = join(import.meta.dirname, "../../../tools/golden-programs.py");
const [python, ...before] = (process.env.KINDLING_PYTHON ?? "python3").split(" ");

/** PyTorch, waiting for programs. */
class Oracle {
  readonly #process = spawn(python, [...before, tool, "run"], { stdio: ["pipe", "pipe", "inherit"] });
  readonly #lines: Interface = createInterface(this.#process.stdout);
  async run(program: readonly Instruction[]): Promise<ProgramLog> {
    this.#process.stdin.write(`${JSON.stringify(program)}\n`);
    const [line] = (await once(this.#lines, "line")) as [string];
    return JSON.parse(line) as ProgramLog;
  }
  end(): void {
    this.#process.stdin.end();
  }
}

/** Leaves out instructions as long as the same difference remains. */
async function reduce(
  oracle: Oracle,
  whole: readonly Instruction[],
  kind: string,
): Promise<[readonly Instruction[], Difference]> {
  const attempt = async (program: readonly Instruction[]): Promise<Difference | null> => {
    const expected = await oracle.run(program);
    const found = firstDifference(program, new Machine().run(program), expected);
    return found !== null && found.kind === kind ? found : null;
  };
  let program = whole;
  let difference = (await attempt(program)) as Difference;
  if (difference === null) return [program, { where: 0, kind: "differs only sometimes", actual: 0, expected: 0 }];
  for (let size = Math.ceil(program.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = program.length - size; at > -size; at -= size) {
      const start = Math.max(0, at);
      const shorter = [...program.slice(0, start), ...program.slice(at + size)];
      if (shorter.length === program.length || shorter.length === 0) continue;
      const found = await attempt(shorter);
      if (found !== null) {
        program = shorter;
        difference = found;
      }
    }
  }
  return [program, difference];
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { file: { type: "string" }, keep: { type: "boolean" }, most: { type: "string" }, show: { type: "boolean" } },
});
const [from = "0", to = "1000"] = positionals;
const source = values.file
  ? createReadStream(values.file)
  : spawn(python, [...before, tool, "make", from, to], { stdio: ["ignore", "pipe", "inherit"] }).stdout;
const oracle = new Oracle();
const kinds = new Map<string, number>();
const errors = new Map<string, number>();
let programs = 0;
let instructions = 0;
let differing = 0;
for await (const line of createInterface(source)) {
  const { seed, program, log } = JSON.parse(line) as Program;
  if (values.show) console.log(`${asTypeScript(program)}\n\n${asPython(program)}\n`);
  programs++;
  instructions += program.length;
  for (const [status] of log[0]) {
    const error = /^\w+(?=: )/.exec(String(status)) && String(status).replace(/\d+/g, "#");
    if (error) errors.set(error, (errors.get(error) ?? 0) + 1);
  }
  const difference = firstDifference(program, new Machine().run(program), log);
  if (difference === null) continue;
  differing++;
  const { kind } = difference;
  kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  if ((kinds.get(kind) as number) > 1 && !values.keep) continue;
  if (kinds.size > Number(values.most ?? 40)) continue;
  const [reduced, found] = await reduce(oracle, program, kind);
  console.log(`\nseed ${seed}: ${found.kind}, at ${found.where}`);
  console.log(asPython(reduced));
  console.log("here:   ", JSON.stringify(found.actual));
  console.log("PyTorch:", JSON.stringify(found.expected));
}
oracle.end();
console.log();
for (const [kind, count] of [...kinds].sort((a, b) => b[1] - a[1])) console.log(String(count).padStart(5), kind);
console.log(
  `${programs} programs, ${(instructions / programs).toFixed(1)} instructions each, ${errors.size} kinds of errors, ${differing} programs differ`,
);
if (differing > 0) process.exitCode = 1;
