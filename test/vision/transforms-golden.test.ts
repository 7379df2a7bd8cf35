/** Transforms give torchvision's values, to the byte for pictures and whole numbers: tools/golden-transforms.py. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { crc32, gunzipSync } from "node:zlib";
import * as torch from "../../src/index.ts";
import { Image, type ImageMode } from "../../src/vision/image.ts";
import * as T from "../../src/vision/transforms/index.ts";
import { ImageClassification } from "../../src/vision/transforms/presets.ts";

interface Picture {
  mode: ImageMode;
  shape: number[];
  data?: string;
  crc?: number;
}
interface Values {
  dtype: string;
  shape: number[];
  data?: string;
  crc?: number;
}
type Golden = Picture | Values | { value: unknown } | { error: string } | Golden[];
interface FunctionalCase {
  f: string;
  input: string;
  args: unknown[];
  kwargs: Record<string, unknown>;
  result: Golden;
}
interface TransformCase {
  t: string;
  inputs: (string | string[])[];
  args: unknown[];
  kwargs: Record<string, unknown>;
  calls: number;
  text: string;
  results: Golden[];
}
interface File {
  functional: FunctionalCase[];
  transforms: TransformCase[];
  containers: { text: string; results: Golden[]; preset: { text: string; results: Golden[] } };
}

const file = process.env.GOLDEN_TRANSFORMS ?? new URL("./transforms-golden.json.gz", import.meta.url);
const bytes = readFileSync(file);
const golden = JSON.parse((bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString()) as File;
const SEED = 5;

/** The formula of the script. */
function pixels(channels: number, height: number, width: number, n = 0): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(channels * height * width);
  let i = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const edge = (Math.floor(x / 4) + Math.floor(y / 3)) % 2 ? 80 : 0;
      for (let c = 0; c < channels; c++) out[i++] = x * x * 3 + y * 11 + c * 60 + n * 25 + ((x * y) % 7) * 9 + edge;
    }
  }
  return out;
}
const picture = (mode: ImageMode, channels: number) => new Image(mode, [17, 13], pixels(channels, 13, 17));
const bytesTensor = (channels: number, height: number, width: number, n = 0) =>
  torch
    .tensor(pixels(channels, height, width, n))
    .view(height, width, channels)
    .permute(2, 0, 1)
    .contiguous();
const floats = (x: torch.Tensor) => x.to(torch.float32).div(256);
const INPUTS: Record<string, Image | torch.Tensor> = {
  rgb: picture("RGB", 3),
  grey: picture("L", 1),
  rgba: picture("RGBA", 4),
  la: picture("LA", 2),
  u8: bytesTensor(3, 13, 17),
  u8grey: bytesTensor(1, 13, 17),
  batch: torch.stack([bytesTensor(3, 7, 9, 0), bytesTensor(3, 7, 9, 1)]),
  f32: floats(bytesTensor(3, 7, 9)),
  f32grey: floats(bytesTensor(1, 7, 9)),
  i16: bytesTensor(3, 7, 9).to(torch.int16).mul(100),
  f32batch: floats(torch.stack([0, 1, 2, 3].map((n) => bytesTensor(3, 4, 5, n)))),
  labels: torch.tensor([2, 0, 1, 2]),
  label: torch.tensor(3),
};
const input = (name: string): Image | torch.Tensor => {
  const x = INPUTS[name];
  return x instanceof Image ? x : x.clone();
};

/** Python's values: names of dtypes. */
function value(v: unknown): unknown {
  return typeof v === "string" && v.startsWith("torch.")
    ? (torch as unknown as Record<string, unknown>)[v.slice(6)]
    : v;
}
function callArguments({ args, kwargs }: { args: unknown[]; kwargs: Record<string, unknown> }): unknown[] {
  const named = Object.entries(kwargs).map(([k, v]) => [k, value(v)]);
  return named.length === 0 ? args.map(value) : [...args.map(value), Object.fromEntries(named)];
}

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Floats that are sums with a large fill are as exact as that; ElasticTransform multiplies small differences of places. */
function toleranceOf({ kwargs }: { kwargs: Record<string, unknown> }, name = ""): number {
  const fill = [kwargs.fill ?? 0].flat().map(Number);
  return 1e-6 * Math.max(name === "ElasticTransform" ? 3 : 1, ...fill);
}

/** What differs, or null. */
function difference(actual: unknown, expected: Golden, tolerance = 1e-6): string | null {
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return `not a list of ${expected.length}`;
    const all = expected.map((e, i) => difference(actual[i], e, tolerance));
    const at = all.findIndex((d) => d !== null);
    return at < 0 ? null : `[${at}]: ${all[at]}`;
  }
  if ("value" in expected) return actual === expected.value ? null : `${actual} is not ${expected.value}`;
  if ("error" in expected) return "no error";
  let own: ArrayBufferView;
  if ("mode" in expected) {
    if (!(actual instanceof Image)) return "not a picture";
    if (actual.mode !== expected.mode) return `mode ${actual.mode}, not ${expected.mode}`;
    if (`${[actual.height, actual.width]}` !== `${expected.shape}`) return `size ${actual.size}, not ${expected.shape}`;
    own = actual.data;
  } else {
    if (!torch.is_tensor(actual)) return "not a tensor";
    const { dtype } = actual;
    if (`${dtype}` !== `torch.${expected.dtype}`) return `dtype ${dtype}, not ${expected.dtype}`;
    if (`${actual.shape}` !== `${expected.shape}`) return `shape ${actual.shape}, not ${expected.shape}`;
    own = actual.detach().contiguous().typed_array() as ArrayBufferView;
  }
  if (expected.crc !== undefined) return crc32(bytesOf(own)) === expected.crc ? null : "other values";
  const wanted = new Uint8Array(Buffer.from(expected.data as string, "base64"));
  if (own instanceof Float32Array) {
    const reference = new Float32Array(wanted.buffer);
    let worst = 0;
    own.forEach((v, i) => {
      worst = Math.max(worst, Math.abs(v - reference[i]) / Math.max(1, Math.abs(reference[i])));
    });
    return worst <= tolerance ? null : `off by ${worst}`;
  }
  const mine = bytesOf(own);
  const count = mine.reduce((n, v, i) => n + Number(v !== wanted[i]), 0);
  return count === 0 ? null : `${count} of ${mine.length} bytes differ`;
}

function assertNone(failures: string[]): void {
  assert.equal(failures.length, 0, `\n${failures.join("\n")}`);
}

test("functional", () => {
  const failures: string[] = [];
  for (const c of golden.functional) {
    const name = `${c.f}(${c.input}, ${JSON.stringify(c.args)}, ${JSON.stringify(c.kwargs)})`;
    const f = (T.functional as unknown as Record<string, (...args: unknown[]) => unknown>)[c.f];
    let found: string | null;
    try {
      found = difference(f(input(c.input), ...callArguments(c)), c.result, toleranceOf(c));
    } catch (error) {
      found = `${(error as Error).stack}`.split("\n").slice(0, 3).join(" | ");
      if (!Array.isArray(c.result) && "error" in c.result) {
        const { name, message } = error as Error;
        found = `${name}: ${message}` === c.result.error ? null : `${name}: ${message}, not ${c.result.error}`;
      }
    }
    if (found !== null) failures.push(`${name}: ${found}`);
  }
  assertNone(failures);
});

for (const c of golden.transforms) {
  const name = `${c.t}(${JSON.stringify(c.args)}, ${JSON.stringify(c.kwargs)})`;
  test(name, () => {
    const make = (T as unknown as Record<string, new (...args: unknown[]) => (...x: unknown[]) => unknown>)[c.t];
    const transform = new make(...callArguments(c));
    const failures: string[] = [];
    c.inputs.forEach((sample, s) => {
      const names = Array.isArray(sample) ? sample : [sample];
      torch.manual_seed(SEED);
      for (let k = 0; k < c.calls; k++) {
        const found = difference(transform(...names.map(input)), c.results[s * c.calls + k], toleranceOf(c, c.t));
        if (found !== null) failures.push(`${sample}, call ${k}: ${found}`);
      }
    });
    assertNone(failures);
    assert.equal(`${transform}`, c.text);
  });
}

test("containers", () => {
  const t = new T.Compose<torch.Tensor>([
    new T.RandomChoice([new T.RandomHorizontalFlip(1), new T.RandomVerticalFlip(1), new T.Grayscale(3)], [1, 2, 3]),
    new T.RandomApply([new T.RandomInvert(0.5), new T.RandomCrop([8, 9])], 0.6),
    new T.RandomOrder([new T.RandomPosterize(3), new T.RandomSolarize(90), new T.Pad(1)]),
    new T.PILToTensor(),
  ]);
  torch.manual_seed(SEED);
  assertNone(golden.containers.results.flatMap((e) => difference(t(INPUTS.rgb), e) ?? []).map(String));
  assert.equal(`${t}`, golden.containers.text);
});

test("presets", () => {
  const preset = new ImageClassification({ crop_size: 6, resize_size: 8 });
  assert.equal(`${preset}`, golden.containers.preset.text);
  const found = ["rgb", "u8", "batch"].map((name, i) =>
    difference(preset(input(name)), golden.containers.preset.results[i]),
  );
  assert.deepEqual(found, [null, null, null]);
});
