/**
 * Checks that the built package in dist/ works on the Node that runs this: `npm run build && node tools/smoke-dist.js`.
 * Plain JavaScript, since the oldest supported Node does not run TypeScript.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const files = readdirSync(dist, { recursive: true, encoding: "utf8" }).sort();

// Every module loads, and so does everything it imports.
const modules = files.filter((file) => file.endsWith(".js"));
assert.ok(modules.length > 0, "dist/ has no modules: run `npm run build` first");
for (const file of modules) await import(pathToFileURL(join(dist, file)).href);

// The declarations name only files that are published.
const relativeImport = /(?:\bfrom\s*|\bimport\s*\(?\s*)["'](\.{1,2}\/[^"'\n]+)["']/g;
for (const file of files.filter((file) => file.endsWith(".d.ts"))) {
  for (const [, specifier] of readFileSync(join(dist, file), "utf8").matchAll(relativeImport)) {
    const declaration = join(dist, file, "..", specifier.replace(/\.js$/, ".d.ts"));
    assert.ok(specifier.endsWith(".js") && existsSync(declaration), `${file} imports ${specifier}`);
  }
}

// A part that needs nothing but itself works.
const { formatFixed, tensorToString } = await import(pathToFileURL(join(dist, "print/index.js")).href);
const { float32 } = await import(pathToFileURL(join(dist, "dtype.js")).href);
assert.equal(formatFixed(0.5, 0), "0");
const view = { shape: [2, 2], dtype: float32, valueAt: (position) => position / 4 };
assert.equal(tensorToString(view), "tensor([[0.0000, 0.2500],\n        [0.5000, 0.7500]])");

// Each entry point that makes tensors gives them their methods, loaded on its own.
const alone = (source) =>
  execFileSync(process.execPath, ["--input-type=module", "-e", source], { encoding: "utf8", cwd: join(dist, "..") });
const layer = 'import { Linear } from "kindling/nn"; console.log(new Linear(2, 3).weight.add(1).shape.join());';
assert.equal(alone(layer), "3,2\n");
for (const entry of ["optim", "utils/data", "vision", "safetensors", "nn/functional"]) {
  alone(
    `import "kindling/${entry}"; import { Tensor } from "./dist/tensor.js"; if (!Tensor.prototype.add) throw "no methods"`,
  );
}

// The package does what it is for, once it has its entry point.
if (modules.includes("index.js")) {
  const torch = await import("kindling");
  const x = torch.tensor(
    [
      [1, 2.5],
      [3, 4],
    ],
    { requires_grad: true },
  );
  x.mul(x).sum().backward();
  assert.equal(String(x.grad), "tensor([[2., 5.],\n        [6., 8.]])");
  torch.manual_seed(0);
  assert.equal(String(torch.rand(2, 3)), "tensor([[0.4963, 0.7682, 0.0885],\n        [0.1320, 0.3074, 0.6341]])");
}
console.log(`dist/ works on Node ${process.version}: ${modules.length} modules`);
