/**
 * Checks that the built package in dist/ works on the Node that runs this: `npm run build && node tools/smoke-dist.js`.
 * Plain JavaScript, since the oldest supported Node does not run TypeScript.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
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

  // Files of PyTorch, and of our own.
  const checkpoint = fileURLToPath(new URL("../test/golden/checkpoints/state-dict.pt", import.meta.url));
  const state = await torch.load(checkpoint);
  assert.ok(Object.values(state).some(torch.is_tensor));
  const folder = mkdtempSync(join(tmpdir(), "kindling-smoke-"));
  try {
    await torch.save(state, join(folder, "saved.pt"));
    assert.equal(String(Object.entries(await torch.load(join(folder, "saved.pt")))), String(Object.entries(state)));
    const safetensors = await import("kindling/safetensors");
    await safetensors.save_file({ x: torch.arange(3) }, join(folder, "x.safetensors"));
    assert.deepEqual((await safetensors.load_file(join(folder, "x.safetensors"))).x.tolist(), [0, 1, 2]);
  } finally {
    rmSync(folder, { recursive: true });
  }

  // The first weights are those of torchvision.
  const vision = await import("kindling/vision");
  torch.manual_seed(0);
  const net = vision.models.resnet18({ num_classes: 10 });
  assert.equal(
    String(net.conv1.weight.flatten().narrow(0, 0, 3)),
    "tensor([0.0022, 0.0353, 0.0161], grad_fn=<SliceBackward0>)",
  );
  const loss = torch.nn.functional.cross_entropy(net(torch.randn(2, 3, 64, 64)), torch.tensor([1, 2]));
  loss.backward();
  assert.ok(Number.isFinite(loss.item()) && net.conv1.weight.grad.abs().sum().item() > 0);
  const picture = torch.arange(48, { dtype: torch.uint8 }).view(3, 4, 4);
  assert.ok(torch.equal(await vision.io.decode_image(await vision.io.encode_png(picture)), picture));
}
console.log(`dist/ works on Node ${process.version}: ${modules.length} modules`);
