/**
 * Models against torchvision from the same seed: initial weights, logits, gradients, five training steps
 * (tools/golden-models.py). With LONG_TESTS=1 the large ones too.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { crc32, gunzipSync } from "node:zlib";
import * as torch from "../../../src/index.ts";
import * as nn from "../../../src/nn/index.ts";
import type { Module } from "../../../src/nn/module.ts";
import * as optim from "../../../src/optim/index.ts";
import * as models from "../../../src/vision/models/index.ts";

interface Case {
  /** A function or class of vision.models. */
  readonly model: string;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly input: readonly number[];
  readonly classes?: number;
  readonly lr?: number;
  /** Gradients and steps, or the steps, in float64: PyTorch's own float32 is more than 1e-3 away from its float64 here. */
  readonly double?: boolean | "steps";
  /** Only where there is time. */
  readonly long?: boolean;
}

interface Golden {
  readonly state: readonly string[];
  readonly weights: readonly (readonly [crc: number, sum: number, absolute: number])[];
  readonly repr: string;
  readonly logits: string;
  readonly gradients: readonly (readonly [norm: number, first: readonly number[]] | null)[];
  readonly losses: readonly number[];
}

const golden = new URL("../../golden/models/", import.meta.url);
const cases = JSON.parse(readFileSync(new URL("cases.json", import.meta.url), "utf8")) as Record<string, Case>;
const long = process.env.LONG_TESTS === "1";
type Model = Module & ((x: torch.Tensor) => unknown);

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const described = (model: Module): string[] =>
  Object.entries(model.state_dict()).map(
    ([key, value]) => `${key} [${value.shape.join(", ")}] ${String(value.dtype).slice("torch.".length)}`,
  );

function floats(base64: string): Float32Array {
  const bytes = Buffer.from(base64, "base64");
  return new Float32Array(new Uint8Array(bytes).buffer);
}

/** The main output first, then what auxiliary classifiers give. */
function outputsOf(result: unknown): torch.Tensor[] {
  if (result instanceof torch.Tensor) return [result];
  const named = result as Iterable<torch.Tensor> & { readonly logits: torch.Tensor };
  const [logits, ...auxiliary] = named;
  assert.equal(named.logits, logits);
  return [logits, ...auxiliary];
}

function lossOf(model: Model, x: torch.Tensor, labels: torch.Tensor): torch.Tensor {
  const [main, ...others] = outputsOf(model(x));
  let loss = nn.functional.cross_entropy(main as torch.Tensor, labels);
  for (const other of others) loss = loss.add(nn.functional.cross_entropy(other, labels).mul(0.4));
  return loss;
}

/** |a − b| within `tolerance` of the larger of |b| and `scale`. */
function close(a: number, b: number, tolerance: number, scale: number, what: string): void {
  const bound = tolerance * Math.max(Math.abs(b), scale);
  assert.ok(Math.abs(a - b) <= bound, `${what}: ${a}, PyTorch has ${b}`);
}

function checkWeights(model: Module, expected: Golden["weights"]): void {
  let differing = 0;
  for (const [i, [key, value]] of Object.entries(model.state_dict()).entries()) {
    const [crc, sum, absolute] = expected[i] as Golden["weights"][number];
    const array = value.contiguous().typed_array();
    if (crc32(new Uint8Array(array.buffer, array.byteOffset, array.byteLength)) === crc) continue;
    // Truncated normals go through erfinv, whose last bit differs.
    differing++;
    const wide = value.double();
    close(Number(wide.sum().item()), sum, 1e-5, absolute, `sum of ${key}`);
    close(Number(wide.abs().sum().item()), absolute, 1e-5, absolute, `absolute sum of ${key}`);
  }
  if (differing > 0) console.log(`# ${differing} of ${expected.length} tensors differ in a last bit`);
}

for (const [
  name,
  { model: builder, options, input, classes = 10, lr = 0.01, double = false, long: isLong = false },
] of Object.entries(cases)) {
  test(`${name} from a seed`, { skip: isLong && !long }, () => {
    const file = new URL(`${name}.json.gz`, golden);
    const expected = JSON.parse(gunzipSync(readFileSync(file)).toString()) as Golden;
    torch.manual_seed(0);
    const make = (models as unknown as Record<string, (options?: object) => Model>)[builder];
    const model = make(options);
    assert.deepEqual(described(model), expected.state);
    assert.equal(sha256(String(model)), expected.repr, `text of the model:\n${model}`);
    checkWeights(model, expected.weights);

    torch.manual_seed(1);
    let x = torch.rand(...input);
    const labels = torch.randint(0, classes, [input[0]]);
    model.eval();
    const logits = torch.no_grad(() => outputsOf(model(x))[0] as torch.Tensor).flatten();
    const wanted = floats(expected.logits);
    const scale = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    for (const [i, value] of (logits.tolist() as number[]).entries()) {
      close(value, wanted[i] as number, 1e-4, scale, `logit ${i}`);
    }

    model.train();
    const inDouble = (): void => {
      model.double();
      x = x.double();
    };
    if (double === true) inDouble();
    torch.manual_seed(2);
    lossOf(model, x, labels).backward();
    const largest = Math.max(...expected.gradients.map((gradient) => gradient?.[0] ?? 0));
    for (const [i, [key, parameter]] of [...model.named_parameters()].entries()) {
      const gradient = expected.gradients[i];
      if (!gradient) {
        assert.equal(parameter.grad, null, `gradient of ${key}`);
        continue;
      }
      const [norm, first] = gradient;
      const own = parameter.grad as torch.Tensor;
      // Gradients that are zero but for rounding, as of biases before a batch norm, are small beside all others.
      const least = 1e-3 * largest;
      close(Number(own.double().norm().item()), norm, 1e-3, least, `gradient of ${key}`);
      const values = own.flatten().tolist() as number[];
      for (const [j, value] of first.entries()) {
        close(values[j] as number, value, 1e-3, Math.max(norm, least), `element ${j} of the gradient of ${key}`);
      }
    }

    if (double === "steps") inDouble();
    const optimizer = new optim.SGD(model.parameters(), { lr, momentum: 0.9 });
    for (const [i, expectedLoss] of expected.losses.entries()) {
      optimizer.zero_grad();
      const loss = lossOf(model, x, labels);
      close(Number(loss.item()), expectedLoss, 1e-3, 0, `loss of step ${i + 1}`);
      loss.backward();
      optimizer.step();
    }
  });
}
