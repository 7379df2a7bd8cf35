/**
 * Fine-tuning: a ResNet-18 that torchvision pretrained on clothes, letters and clip art learns to read digits, of which it
 * has never seen one. The trunk stays as it is; only a new last layer learns, from few pictures.
 *
 *   npm run example finetune-resnet18
 *   npm run example finetune-resnet18 -- --weights DEFAULT --data my-pictures
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import * as torch from "kindling";
import * as nn from "kindling/nn";
import * as optim from "kindling/optim";
import { DataLoader, default_collate } from "kindling/utils/data";
import { resnet18 } from "kindling/vision/models";
import { Progress } from "../mnist/progress.ts";
import { evaluate, loadPretrained, stepTime } from "./network.ts";
import { readOptions } from "./options.ts";
import { digits, folders } from "./pictures.ts";
import { renderReport } from "./report.ts";

const options = readOptions(process.argv.slice(2));
const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
torch.manual_seed(options.seed);

// The pretrained network: from the file beside this program, or torchvision's own from the network.
const model =
  options.weights === "DEFAULT"
    ? await resnet18({ weights: "DEFAULT" })
    : await loadPretrained(options.weights ?? join(here, "pretrained.pth.gz"));
const size = options.weights === "DEFAULT" ? 224 : 32;
const pictures =
  options.data === null ? await digits(root, size, options.quick ? 2000 : 8000) : await folders(options.data, size);

// Freeze all the parameters in the network.
for (const param of model.parameters()) {
  param.requires_grad = false;
}

// Replace the last linear layer (the classifier) with a new, unfrozen one.
model.fc = new nn.Linear(512, pictures.classes.length);

// The norms in the trunk keep the statistics that they were pretrained with; nothing else in it differs in training.
model.eval();

const before = await evaluate(model, pictures.test);
console.log(`${pictures.train.length} ${pictures.name} to learn from, ${pictures.test.length} to test`);
console.log(`accuracy before: ${percent(before.accuracy)}`);

const batch_size = Math.min(64, pictures.train.length);
const loader = new DataLoader(pictures.train, { batch_size, shuffle: true, drop_last: true });
const criterion = new nn.CrossEntropyLoss();
const optimizer = new optim.Adam(model.fc.parameters(), { lr: options.lr });
const losses: number[] = [];
for (let epoch = 1; epoch <= options.epochs; epoch++) {
  const progress = new Progress(`epoch ${epoch}/${options.epochs}`, loader.length * batch_size);
  let seen = 0;
  let right = 0;
  const status = () => ({ loss: losses[losses.length - 1], accuracy: right / seen, speed: seen / progress.seconds });
  for await (const [images, labels] of loader) {
    optimizer.zero_grad();
    const scores = model(images); // no gradient is recorded before fc
    const loss = criterion(scores, labels);
    loss.backward();
    optimizer.step();

    losses.push(loss.item() as number);
    right += scores.argmax(1).eq(labels).sum().item() as number;
    seen += labels.length;
    progress.update(seen, status());
  }
  progress.finish(status());
}
const after = await evaluate(model, pictures.test);
console.log(`accuracy after: ${percent(after.accuracy)}`);

// What freezing saves: a step of this training, and one that would train every layer.
const samples = Array.from({ length: batch_size }, (_, i) => pictures.train.get(i));
const batch = default_collate(await Promise.all(samples));
const frozen = stepTime(model, batch, true);
const full = stepTime(model, batch, false);
console.log(
  `a step of ${batch_size} pictures: ${frozen.toFixed(0)} ms frozen, ${full.toFixed(0)} ms unfrozen, ${(full / frozen).toFixed(1)} times as long`,
);

// The result, for Kindling and for PyTorch: verify.py loads it there and tests it again.
const output = join(root, "demo-output");
await mkdir(output, { recursive: true });
const checkpoint = join(output, "finetuned.pt");
await torch.save(model.state_dict(), checkpoint);
const { accuracy, predictions } = after;
await writeFile(
  join(output, "finetuned.json"),
  JSON.stringify({
    data: options.data,
    size,
    classes: pictures.classes,
    tested: predictions.length,
    accuracy,
    predictions,
  }),
);
console.log(`saved: ${relative(process.cwd(), checkpoint)}`);

const page = join(output, "finetuned.html");
await writeFile(page, await renderReport({ options, pictures, losses, before, after, frozen, full }));
console.log(`the page about it: ${relative(process.cwd(), page)}`);

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}
