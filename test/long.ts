/**
 * The tests that take minutes, each in a process of its own:
 *
 *   npm run test:long [-- part of a path]
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const files = [
  "autograd/engine.test.ts",
  "backend/differential-long.ts",
  "func/batching.test.ts",
  "conformance/gradcheck.test.ts",
  "conformance/module-derivatives.test.ts",
  "conformance/second.test.ts",
  "conformance/tangents.test.ts",
  "memory/long.ts",
  "memory/soak.ts",
  "reliability/functions.test.ts",
  "threads/pool.test.ts",
  "serialization/long.ts",
  "vision/models/states.test.ts",
  "vision/models/models.test.ts",
];
const parts = files.filter((part) => part.includes(process.argv[2] ?? ""));
// Some tests of the default run have long cases too.
const env = { ...process.env, LONG_TESTS: "1" };
for (const part of parts) {
  console.log(`== ${part}`);
  const { status } = spawnSync(process.execPath, [...process.execArgv, join(import.meta.dirname, part)], {
    stdio: "inherit",
    env,
  });
  if (status !== 0) process.exitCode = 1;
}
