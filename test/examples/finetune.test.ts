/** The fine-tuning example learns, is faster with a frozen trunk, and saves what can be loaded. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { resnet18 } from "../../src/vision/models/index.ts";

const root = join(import.meta.dirname, "..", "..");
const program = join(root, "tools/run-example.ts");
const run = (...args: string[]) =>
  spawnSync(process.execPath, ["--conditions=source", program, "finetune-resnet18", ...args], { encoding: "utf8" });

test("quickly", async () => {
  const { status, stdout, stderr } = run("--quick");
  assert.equal(status, 0, stderr);
  const number = (pattern: RegExp): number => Number(pattern.exec(stdout)?.[1]);
  assert.match(stdout, /^2000 handwritten digits to learn from, 500 to test$/m);
  assert.ok(number(/accuracy before: (\d+\.\d) %/) < 30);
  const accuracy = number(/accuracy after: (\d+\.\d) %/);
  assert.ok(accuracy > 80, `${accuracy} % after three times two thousand digits`);
  const ratio = number(/unfrozen, (\d+\.\d) times as long/);
  assert.ok(ratio >= 2, `an unfrozen step takes ${ratio} times as long`);

  const state = await torch.load<Record<string, torch.Tensor>>(join(root, "demo-output/finetuned.pt"));
  const model = resnet18({ num_classes: 10 });
  assert.deepEqual(Object.keys(state), Object.keys(model.state_dict()));
  model.load_state_dict(state);
  const trunk = resnet18({ num_classes: 10 });
  assert.ok(!torch.equal(state["conv1.weight"], trunk.state_dict()["conv1.weight"]), "the pretrained trunk was saved");

  const page = readFileSync(join(root, "demo-output/finetuned.html"), "utf8");
  assert.doesNotMatch(page, /(src|href)="(?!data:)|url\(|@import|<script/, "the page asks for no other file");
  assert.ok(page.includes(`<b>${accuracy.toFixed(1)} %</b>`));
  assert.ok((page.match(/alt="test picture \d+"/g)?.length ?? 0) > 24);
});

test("flags", () => {
  assert.match(run("--help").stdout, /--weights NAME/);
  const wrong = run("--epochs", "many");
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /--epochs cannot be 'many'/);
});
