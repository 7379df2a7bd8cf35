/** PyTorch as a contender. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { answers, openChannel } from "./channel.ts";
import type { Contender } from "./contender.ts";
import { numbered } from "./data.ts";
import { PYTORCH } from "./table.ts";

/** With its default settings malloc gives large blocks back at once, and PyTorch would be measured paying page faults. */
const MALLOC = { MALLOC_MMAP_THRESHOLD_: "4294967296", MALLOC_TRIM_THRESHOLD_: "17179869184" };

/** Starts PyTorch with the command in KINDLING_PYTHON, or python3. Null where that has no PyTorch. */
export async function pytorch(threads: number): Promise<Contender | null> {
  const [command, ...before] = (process.env.KINDLING_PYTHON ?? "python3").split(" ");
  const probe = spawnSync(command, [...before, "-c", "import torch"], { encoding: "utf8" });
  if (probe.status !== 0) return null;
  const script = fileURLToPath(new URL("pytorch.py", import.meta.url));
  const env = { ...MALLOC, OMP_NUM_THREADS: String(threads) };
  const channel = await openChannel(command, [...before, script, String(threads)], env);
  return {
    name: PYTORCH,
    description: `PyTorch ${channel.greeting}`,
    async prepare(row) {
      const inputs = numbered(row.inputs).map(([name, input]) => [name, input]);
      await channel.ask({ do: "prepare", inputs, program: row.pytorch });
      return answers(channel);
    },
    close: channel.close,
  };
}
