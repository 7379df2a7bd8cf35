/** PyTorch as a contender: a Python process that lives for the whole run. */
import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Contender, Prepared, ResultSample } from "./contender.ts";
import { numbered } from "./data.ts";
import type { Row } from "./row.ts";

/** With its default settings malloc gives large blocks back at once, and PyTorch would be measured paying page faults. */
const MALLOC = { MALLOC_MMAP_THRESHOLD_: "4294967296", MALLOC_TRIM_THRESHOLD_: "17179869184" };

/** Starts PyTorch with the command in KINDLING_PYTHON, or python3. Null where that has no PyTorch. */
export async function pytorch(threads: number): Promise<Contender | null> {
  const [command, ...before] = (process.env.KINDLING_PYTHON ?? "python3").split(" ");
  const probe = spawnSync(command, [...before, "-c", "import torch"], { encoding: "utf8" });
  if (probe.status !== 0) return null;
  const script = fileURLToPath(new URL("pytorch.py", import.meta.url));
  const child = spawn(command, [...before, script, String(threads)], {
    env: { ...process.env, ...MALLOC, OMP_NUM_THREADS: String(threads) },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done) throw new Error("the Python process ended");
    return JSON.parse(value);
  };
  const ask = async (request: object): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const reply = (await read()) as { answer?: unknown; error?: string };
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply.answer;
  };
  const { version } = (await read()) as { version: string };
  return {
    name: "PyTorch",
    description: `PyTorch ${version}`,
    async prepare(row: Row): Promise<Prepared> {
      const inputs = numbered(row.inputs).map(([name, input]) => [name, input]);
      await ask({ do: "prepare", inputs, program: row.pytorch });
      return {
        results: async () => (await ask({ do: "results" })) as ResultSample[],
        measure: async (milliseconds) => (await ask({ do: "measure", milliseconds })) as number[],
      };
    },
    close() {
      child.stdin.end();
    },
  };
}
