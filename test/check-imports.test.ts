/** Feeds the import checker trees that break each of its rules, and one that breaks none. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { checkImports } from "../tools/check-imports.ts";

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

function tree(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "check-imports-"));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

/** The violations as `file:line rule`. */
function check(files: Record<string, string>): string[] {
  return checkImports(tree(files)).map(({ file, line, rule }) => `${file}:${line} ${rule}`);
}

test("imports from the same and from earlier layers are fine", () => {
  const good = {
    "errors.ts": "export class RuntimeError extends Error {}\n",
    "dtype.ts": 'import { RuntimeError } from "./errors.ts";\n',
    "ir/expr.ts": 'import * as dtype from "../dtype.ts";\nimport "../errors.ts";\n',
    "ir/kernel.ts": 'import { type A, b } from "./expr.ts";\nexport * from "../dtype.ts";\n',
    "nn/index.ts": 'export * as functional from "./functional.ts";\n',
    "nn/functional.ts": 'import type { Module } from "./index.ts";\n',
    "tensor.ts": 'import type { Unary } from "./ops/kinds.ts";\nimport type { Node } from "./autograd/graph.ts";\n',
    "ops/kinds.ts": 'import { Tensor } from "../tensor.ts";\n',
    "autograd/graph.ts": 'import type { Tensor } from "../tensor.ts";\n',
    "vision/datasets/node.ts": 'import { readFileSync } from "node:fs";\n',
    "vision/datasets/mnist.ts": 'const { read } = await import("./node.ts");\nconst fs = await import("node:fs");\n',
    "index.ts": 'export * from "./dtype.ts";\n',
  };
  assert.deepEqual(check(good), []);
});

test("an import from a later layer is an error, however it is written", () => {
  const violations = check({
    "errors.ts": "",
    "storage.ts": "",
    "ops/unary.ts": "",
    "dtype.ts": 'import {\n  Storage,\n} from "./storage.ts";\n',
    "shape.ts": 'import * as storage from "./storage.ts";\n',
    "device.ts": '\n\nexport * from "./storage.ts";\n',
    "scalar.ts": 'import "./storage.ts";',
    "random/a.ts": "export { Storage as S } from '../storage.ts';\n",
    "random/b.ts": 'import type { Storage } from "../storage.ts";\n',
    "random/c.ts": 'const a = 1;\nconst storage = await import("../storage.ts");\n',
    "tensor.ts": 'import type { Unary } from "./ops/unary.ts";\nimport { exp } from "./ops/unary.ts";\n',
    "print/x.ts": 'import storage from "../storage.ts";\nimport type { Unary } from "../ops/unary.ts";\n',
    "ir/y.ts": 'import a, { type b } from "../storage.ts"',
  });
  assert.deepEqual(violations, [
    "device.ts:3 direction",
    "dtype.ts:1 direction",
    "ir/y.ts:1 direction",
    "print/x.ts:2 direction",
    "random/a.ts:1 direction",
    "random/b.ts:1 direction",
    "random/c.ts:2 direction",
    "scalar.ts:1 direction",
    "shape.ts:1 direction",
    "tensor.ts:2 direction",
  ]);
});

test("text that only looks like an import is none", () => {
  const quiet = {
    "storage.ts": "",
    "dtype.ts": [
      '// import { a } from "./storage.ts";',
      '/* not this one either\nimport { a } from "./storage.ts";\n*/',
      'const code = `\nimport { a } from "./storage.ts";\n`;',
      'const pattern = "src/**";',
      'export const text = "import";',
      'export { a };\nconst from = "./storage.ts";',
      "",
    ].join("\n"),
  };
  assert.deepEqual(check(quiet), []);
});

test("a circle of value imports is an error, a circle through a type import is none", () => {
  const violations = checkImports(
    tree({
      "ops/a.ts": 'import { b } from "./b.ts";\n',
      "ops/b.ts": '\nimport { c } from "./c.ts";\n',
      "ops/c.ts": 'import type { x } from "./x.ts";\nimport { a } from "./a.ts";\n',
      "ops/x.ts": 'import { a } from "./a.ts";\n',
      "ops/self.ts": 'import { me } from "./self.ts";\n',
    }),
  );
  assert.deepEqual(
    violations.map(({ file, line, message }) => `${file}:${line} ${message}`),
    [
      "ops/c.ts:2 circular import: ops/a.ts → ops/b.ts → ops/c.ts → ops/a.ts",
      "ops/self.ts:1 circular import: ops/self.ts → ops/self.ts",
    ],
  );
});

test("Node's modules stay out of files that a browser loads", () => {
  const violations = check({
    "backend/threads.ts": 'import { Worker } from "node:worker_threads";\nimport type { Buffer } from "node:buffer";\n',
    "backend/node.ts": 'import fs from "fs";\n',
    "serialization/node.ts": 'import fs from "node:fs/promises";\n',
    "serialization/load.ts": 'import { read } from "./node.ts";\n',
    "serialization/zip.ts": 'import { unzip } from "fflate";\n',
  });
  assert.deepEqual(violations, ["backend/node.ts:1 node", "backend/threads.ts:1 node", "serialization/load.ts:1 node"]);
});

test("files without a layer and imports from outside are errors", () => {
  const violations = check({
    "helpers.ts": "",
    "misc/a.ts": "",
    "nn/linear.ts": 'import { a } from "../helpers.ts";\nimport { b } from "../../tools/x.ts";\n',
  });
  assert.deepEqual(violations, ["helpers.ts:1 unknown file", "misc/a.ts:1 unknown file", "nn/linear.ts:2 outside"]);
});

test("the command prints file, line and rule, and fails", () => {
  const program = fileURLToPath(new URL("../tools/check-imports.ts", import.meta.url));
  const bad = tree({ "dtype.ts": '\nimport { x } from "./storage.ts";\n', "storage.ts": "" });
  const failed = spawnSync(process.execPath, [program, bad], { encoding: "utf8" });
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, /dtype\.ts:2: direction: value import of 'storage\.ts'/);
  const passed = spawnSync(process.execPath, [program, tree({ "dtype.ts": "" })], { encoding: "utf8" });
  assert.equal(passed.status, 0);
  assert.equal(passed.stderr, "");
});
