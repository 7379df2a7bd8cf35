/** Transforms give torchvision's values (tools/golden-data.py), and their batch forms the stacked single results. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import * as T from "../../src/vision/transforms/index.ts";
import { batchFormOf } from "../../src/vision/transforms/transform.ts";
import { make_grid } from "../../src/vision/utils.ts";

interface Golden {
  transforms: {
    to_tensor: number[];
    normalize: number[];
    crops: number[][];
    padded_crop: number[];
    flips: number[][];
    pads: Record<string, number[]>;
    center: number[];
    center_larger: number[];
    to_uint8: number[];
    to_float: number[];
    text: string;
    texts: string[];
  };
  grids: { shape: number[]; input: number[]; options: object; result_shape: number[]; result: number[] }[];
}
const { transforms: golden, grids } = JSON.parse(
  readFileSync(new URL("./golden.json", import.meta.url), "utf8"),
) as Golden;

const values = (x: torch.Tensor): number[] => x.flatten().tolist() as number[];
const near = (x: torch.Tensor, expected: readonly number[]): void => {
  assert.equal(x.numel(), expected.length);
  values(x).forEach((v, i) => {
    assert.ok(Math.abs(v - expected[i]) <= 1e-6 * Math.max(1, Math.abs(expected[i])), `${v} is not ${expected[i]}`);
  });
};
const image = torch
  .tensor(Array.from({ length: 24 }, (_, i) => (i * 11) % 256))
  .to(torch.uint8)
  .view(2, 3, 4);
const hwc = image.permute(1, 2, 0).contiguous();

test("values", () => {
  const x = new T.ToTensor()(hwc);
  assert.deepEqual(x.shape, [2, 3, 4]);
  assert.deepEqual(values(x), golden.to_tensor);
  assert.deepEqual(values(new T.Normalize([0.1307, 0.5], [0.3081, 0.25])(x)), golden.normalize);
  assert.deepEqual(values(new T.PILToTensor()(hwc)), values(image));
  assert.deepEqual(values(new T.ConvertImageDtype()(image)), golden.to_float);
  const floats = torch.tensor([0.0, 0.2, 0.5, 0.999, 1.0]);
  assert.deepEqual(values(new T.ConvertImageDtype(torch.uint8)(floats)), golden.to_uint8);
  assert.throws(() => T.functional.convert_image_dtype(floats, torch.int64), /cannot be performed safely/);
  assert.throws(() => new T.Normalize([0.5], [0])(x), /std evaluated to zero/);
  assert.throws(() => new T.Normalize([0.5], [0.5])(image), /should be a float tensor/);
  assert.throws(() => new T.Normalize([0.5], [0.5])(torch.ones(2, 2)), /torch.Size\(\[2, 2\]\)/);
  const y = x.clone();
  new T.Normalize([0.5, 0.5], [0.5, 0.5], { inplace: true })(y);
  assert.notDeepEqual(values(y), values(x));
});

test("positions", () => {
  for (const [mode, expected] of Object.entries(golden.pads)) {
    const padded = new T.Pad([1, 2, 2, 1], { padding_mode: mode as "edge" })(image.to(torch.float32));
    assert.deepEqual(values(padded), expected, mode);
    assert.deepEqual(values(new T.Pad([1, 2, 2, 1], 0, mode as "edge")(image)), expected, `uint8 ${mode}`);
  }
  assert.deepEqual(values(new T.CenterCrop([2, 2])(image)), golden.center);
  assert.deepEqual(values(new T.CenterCrop([5, 7])(image)), golden.center_larger);
  assert.deepEqual(values(T.functional.crop(image, -1, 3, 2, 2)).slice(0, 4), [0, 0, 33, 0]);
  assert.throws(() => new T.Pad([1, 2, 3]), /not a 3 element tuple/);
  assert.throws(() => new T.Pad("1" as never), /Got inappropriate padding arg/);
  assert.throws(() => new T.Pad(1, { padding_mode: "wrap" as never }), /Padding mode should be/);
  assert.throws(() => new T.Pad(1, { mode: "edge" } as never), /padding_mode/);
});

test("random ones draw as torchvision's", () => {
  torch.manual_seed(1);
  const channel = image.narrow(0, 0, 1);
  const crop = new T.RandomCrop(2);
  assert.deepEqual(
    golden.crops.map(() => values(crop(channel))),
    golden.crops,
  );
  assert.deepEqual(values(new T.RandomCrop([3, 4], { padding: 1, fill: 7 })(channel)), golden.padded_crop);
  const flips = Array.from({ length: 8 }, (_, i) =>
    i < 4 ? new T.RandomHorizontalFlip()(channel) : new T.RandomVerticalFlip(0.3)(channel),
  );
  assert.deepEqual(flips.map(values), golden.flips);
  assert.throws(
    () => new T.RandomCrop(5)(channel),
    /Required crop size \(5, 5\) is larger than input image size \(3, 4\)/,
  );
  assert.deepEqual(new T.RandomCrop(5, null, { pad_if_needed: true })(channel).shape, [1, 5, 5]);
});

test("texts", () => {
  const digits = new T.Compose([new T.Pad(2), new T.ToTensor(), new T.Normalize([0.1307], [0.3081])]);
  assert.equal(`${digits}`, golden.text);
  const texts = [
    new T.ToTensor(),
    new T.PILToTensor(),
    new T.Pad([1, 2]),
    new T.RandomCrop(4, { padding: 2 }),
    new T.CenterCrop(3),
    new T.RandomHorizontalFlip(),
    new T.Normalize([0.5, 0.5], [0.25, 0.75]),
    new T.Lambda((x: number) => x),
  ];
  assert.deepEqual(texts.map(String), golden.texts);
});

test("batch forms", () => {
  const images = torch.randint(0, 256, [5, 6, 7]).to(torch.uint8);
  const chains = [
    [new T.Pad(2), new T.ToTensor(), new T.Normalize([0.1307], [0.3081])],
    [new T.CenterCrop([3, 9]), new T.PILToTensor(), new T.ConvertImageDtype()],
    [new T.Pad([1, 2], { padding_mode: "symmetric" }), new T.ToTensor()],
    [new T.Pad([1, 2], { padding_mode: "reflect" }), new T.ToTensor()],
  ];
  for (const chain of chains) {
    const transform = new T.Compose(chain);
    const single = torch.stack(images.unbind(0).map((x) => transform(x)));
    const together = batchFormOf(transform)!(images);
    assert.deepEqual(together.shape, single.shape);
    assert.deepEqual(values(together), values(single), `${transform}`);
  }
  class Inverted extends T.ToTensor {
    override forward(x: torch.Tensor): torch.Tensor {
      return super.forward(x).mul(-1);
    }
  }
  assert.equal(batchFormOf(new Inverted()), null);
  assert.equal(batchFormOf(new T.Compose([new T.ToTensor(), (x: torch.Tensor) => x])), null);
  assert.equal(batchFormOf(new T.RandomCrop(2)), null);
});

test("grids of images", () => {
  for (const { shape, input, options, result_shape, result } of grids) {
    const grid = make_grid(torch.FloatTensor(input).view(shape), options);
    assert.deepEqual(grid.shape, result_shape);
    near(grid, result);
  }
});
