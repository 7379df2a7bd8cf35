/**
 * The tests that take minutes, each in a process of its own:
 *
 *   npm run test:long [-- part of a path]
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const parts = ["memory/long.ts", "serialization/long.ts"].filter((part) => part.includes(process.argv[2] ?? ""));
for (const part of parts) {
  console.log(`== ${part}`);
  const { status } = spawnSync(process.execPath, [...process.execArgv, join(import.meta.dirname, part)], {
    stdio: "inherit",
  });
  if (status !== 0) process.exitCode = 1;
}
