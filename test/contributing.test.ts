/** CONTRIBUTING.md claims that a unary op needs one declaration in one file. Here its example is put to the test. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

test("the op of CONTRIBUTING.md works with nothing but its declaration", () => {
  const page = readFileSync(join(root, "CONTRIBUTING.md"), "utf8");
  const [declaration, program] = [...page.matchAll(/```ts\n(.*?)```/gs)].map((block) => block[1]);
  const expected = [...program.matchAll(/\/\/ → (.*)/g)].map((arrow) => arrow[1]);
  assert.ok(expected.length >= 7);

  const folder = mkdtempSync(join(tmpdir(), "kindling-contributing-"));
  try {
    cpSync(join(root, "src"), join(folder, "src"), { recursive: true });
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    appendFileSync(join(folder, "src/ops/trigonometric.ts"), declaration);
    writeFileSync(join(folder, "try.ts"), program);
    const printed = execFileSync(process.execPath, ["try.ts"], { cwd: folder, encoding: "utf8" });
    assert.deepEqual(printed.trim().split("\n"), expected);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
