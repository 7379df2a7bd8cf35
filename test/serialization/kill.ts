/** Kills a process that saves in a loop, and looks at the file it leaves. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import * as torch from "../../src/index.ts";
import type { Random } from "./fuzz.ts";

const program = join(import.meta.dirname, "save-loop.ts");

/**
 * Starts the loop, kills it with SIGKILL up to 60 ms after its first checkpoint, and checks that the file is whole: one
 * number in all its tensors. Returns the number.
 */
export async function killWhileSaving(path: string, random: Random): Promise<number> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  await Promise.race([
    once(child.stdout, "data"),
    exited.then(() => {
      throw new Error("the saving process ended by itself");
    }),
  ]);
  await new Promise((resolve) => setTimeout(resolve, random.below(60)));
  child.kill("SIGKILL");
  await exited;
  const { i, tensors } = await torch.load<{ i: number; tensors: torch.Tensor[] }>(path);
  assert.equal(tensors.length, 20);
  for (const x of tensors) assert.ok(x.eq(i).all().item(), `checkpoint ${i} has other numbers in it`);
  return i;
}
