/** The programs of examples/ run and print what they should; the demo learns digits. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as torch from "../../src/index.ts";
import { ResNet18_Weights, resnet18 } from "../../src/vision/models/index.ts";

const root = join(import.meta.dirname, "..", "..");
/** Holds what would be downloaded, so that no test needs a network. */
const home = mkdtempSync(join(tmpdir(), "kindling-examples-"));
const run = (file: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, ["--conditions=source", join(root, file), ...args], {
    encoding: "utf8",
    cwd: root,
    env: { ...process.env, TORCH_HOME: home },
  });

before(async () => {
  const name = ResNet18_Weights.DEFAULT.url.split("/").at(-1) as string;
  const folder = join(home, "hub", "checkpoints");
  mkdirSync(folder, { recursive: true });
  await torch.save(resnet18().state_dict(), join(folder, name));
});
after(() => rmSync(home, { recursive: true }));

const expected: Record<string, RegExp[]> = {
  "autograd-basics": [
    /x\.grad = tensor\(\[2\., 4\., 6\.\]\)/,
    /and 10 more: tensor\(\[12\., 14\., 16\.\]\)/,
    /0\.87758/,
  ],
  "custom-function": [/LegendrePolynomial3Backward/, /gradcheck: true/, /rounding: tensor\(\[1\., 2\., 3\.\]\)/],
  freezing: [/0\.0\.weight +is frozen/, /1\.weight +learns/, /the body is as it was: true/, /recorded: false/],
  "hand-written-update": [/found y = 3\.0\dx - 1\.0\d/],
  network: [
    /\(conv2\): Conv2d\(6, 16, kernel_size=\(5, 5\), stride=\(1, 1\)\)/,
    /parameters in all: 62006/,
    /\[ 2, 10 \]/,
  ],
  "optimizer-loop": [/SGD +last loss .* 9\d\.\d %/, /Adam +last loss .* 9\d\.\d %/, /RMSprop +last loss .* 9\d\.\d %/],
  "pretrained-step": [/^loss: -?\d+\.\d+$/m, /^gradients: 62$/m],
  "own-loss": [/squared error +\d/, /log cosh +\d/, /pinball, 90 % +\d/],
};

/** Those of examples/autograd/. */
const expectedOfAutograd: Record<string, RegExp[]> = {
  "autograd/hessian-vector-product": [
    /(tensor\(.*\))\nforward over reverse \1\nreverse over reverse \1\n/,
    /step [678]: loss 0\.361795, gradient \d\.\de-1\d: the minimum/,
    /^100\.0 % of the digits/m,
  ],
  "autograd/kepler": [
    /^gradcheck: true\ngradgradcheck: true$/m,
    /eccentricity 0\.20\d, of Mercury 0\.206/,
    /period (87\.9|88\.0)\d days/,
  ],
  "autograd/maml": [/new sines: error [2-4]\.\d\d before, [01]\.\d\d after one step/],
  "autograd/per-sample-gradients": [
    /conv1\.weight \(256, 8, 1, 3, 3\)/,
    /differs from the gradient of the batch by \de-0?[78]$/m,
    /norms: median [123]\.\d\d, greatest [345]\d\.\d\d/,
  ],
};

function checkExamples(folder: string, patterns: Record<string, RegExp[]>, ...flags: string[]): void {
  const names = readdirSync(join(root, "examples", folder))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => folder + file.slice(0, -3));
  assert.deepEqual(names, Object.keys(patterns).sort());
  const readme = readFileSync(join(root, "examples/README.md"), "utf8");
  const { status, stdout, stderr } = run("tools/run-example.ts", ...names, ...flags);
  assert.equal(status, 0, stderr);
  const outputs = stdout.split(/^--- /m).slice(1);
  names.forEach((name, i) => {
    assert.ok(outputs[i].startsWith(`${name}\n`));
    for (const pattern of patterns[name]) assert.match(outputs[i], pattern);
    assert.ok(readme.includes(`(${name}.ts)`), `examples/README.md does not list ${name}`);
  });
}

test("every example", () => checkExamples("", expected));

test("every example of autograd, and its picture", () => {
  checkExamples("autograd/", expectedOfAutograd, "--quick");
  for (const [name, part] of [
    ["kepler", ">KeplerBackward</text>"],
    ["maml", "<polyline"],
    ["per-sample-gradients", "read as"],
  ]) {
    const picture = readFileSync(join(root, `demo-output/${name}.svg`), "utf8");
    assert.ok(picture.startsWith("<svg xmlns=") && picture.includes(part), name);
  }
});

test("the demo, quickly", () => {
  const { status, stdout, stderr } = run("examples/mnist/train.ts", "--quick", "--seed", "1");
  assert.equal(status, 0, stderr);
  const [, accuracy] = /loaded into a new network: (\d+\.\d+) %/.exec(stdout) as unknown as [string, string];
  assert.ok(Number(accuracy) > 94, `${accuracy} % after one epoch of 12,000 digits`);
  assert.match(stdout, /epoch 1\/1 +100 % +loss 0\.\d+ +accuracy \d+\.\d+ % +[\d,]+ images\/s/);
  const page = readFileSync(join(root, "demo-output/mnist.html"), "utf8");
  assert.doesNotMatch(page, /(src|href)="(?!data:)|url\(|@import|<script/, "the page asks for no other file");
  assert.ok(page.includes(`<b>${accuracy} %</b>`));
  assert.equal(page.match(/alt="filter \d"/g)?.length, 6);
  assert.ok((page.match(/alt="test digit \d+"/g)?.length ?? 0) > 40);
});

test("flags of the demo", () => {
  assert.match(run("examples/mnist/train.ts", "--help").stdout, /--batch-size N/);
  for (const [args, message] of [
    [["--epoch", "3"], /Unknown option '--epoch'/],
    [["--lr", "fast"], /--lr must be a positive number/],
  ] as const) {
    const { status, stderr } = run("examples/mnist/train.ts", ...args);
    assert.equal(status, 2);
    assert.match(stderr, message);
  }
});
