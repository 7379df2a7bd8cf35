/** Transforms give torchvision's values (tools/golden-data.py), and their batch forms the stacked single results. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { Image } from "../../src/vision/image.ts";
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
  assert.throws(() => new T.Pad([1, 2, 3]), /an int or a 1, 2, or 4 element of tuple or list, got/);
  assert.throws(() => new T.Pad("1" as never), /an int or a 1, 2, or 4 element of tuple or list, got '1'/);
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
    new T.Lambda(Math.abs),
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
    override transform(x: torch.Tensor): torch.Tensor {
      return super.transform(x).mul(-1);
    }
  }
  class Called extends T.ToTensor {
    override forward(...inputs: unknown[]): torch.Tensor {
      return super.forward(...inputs).mul(-1);
    }
  }
  class Listed extends T.Compose {
    override forward(...inputs: unknown[]): torch.Tensor {
      return super.forward(...inputs).mul(-1);
    }
  }
  assert.equal(batchFormOf(new Inverted()), null);
  assert.equal(batchFormOf(new Called()), null);
  assert.equal(batchFormOf(new Listed([new T.ToTensor()])), null);
  assert.equal(batchFormOf(new T.Compose([new T.Pad(1)])), null, "pictures are no batch");
  assert.equal(batchFormOf(new T.Compose([new T.Normalize([0.5], [0.5]), new T.ToTensor()])), null);
  assert.equal(batchFormOf(new T.Compose([new T.ToTensor(), (x: torch.Tensor) => x])), null);
  assert.equal(batchFormOf(new T.RandomCrop(2)), null);
});

test("batch forms of colour pictures", () => {
  const pictures = torch.randint(0, 256, [3, 6, 7, 3]).to(torch.uint8);
  const transform = new T.Compose<torch.Tensor>([
    new T.Pad([1, 2], [10, 20, 30]),
    new T.CenterCrop(8),
    new T.ToTensor(),
    new T.Normalize([0.1, 0.2, 0.3], [0.4, 0.5, 0.6]),
  ]);
  const single = torch.stack(pictures.unbind(0).map((x) => transform(Image.fromarray(x))));
  const together = batchFormOf(transform)!(pictures);
  assert.deepEqual(together.shape, [3, 3, 8, 8]);
  assert.deepEqual(values(together), values(single));
});

test("samples: images change alike, the rest passes", () => {
  const picture = Image.fromarray(hwc.narrow(2, 0, 1).squeeze(-1).contiguous());
  const sample = { image: picture, target: { boxes: torch.ones(2, 4), name: "a" }, more: [picture, 3] };
  const flipped = new T.RandomHorizontalFlip(1)(sample);
  assert.deepEqual(flipped.image.data, flipped.more[0] instanceof Image && flipped.more[0].data);
  assert.deepEqual(flipped.image.getpixel([0, 0]), picture.getpixel([3, 0]));
  assert.equal(flipped.target.boxes, sample.target.boxes);
  assert.deepEqual(flipped.target.name, "a");
  const [x, label] = new T.CenterCrop(2)(image, 7);
  assert.deepEqual(x.shape, [2, 2, 2]);
  assert.equal(label, 7);
  const [first, second] = new T.CenterCrop(2)(image, image);
  assert.deepEqual([first.shape, second.shape], [[2, 2, 2], image.shape], "only the first tensor is an image");
  assert.throws(() => new T.RandomCrop(2)(picture, Image.new("L", [9, 9])), /Found multiple HxW dimensions/);
  assert.throws(() => new T.RandomCrop(2)("nothing"), /No image or video was found/);
  assert.throws(() => new T.Normalize([0.5], [0.5])(picture), /does not support PIL images/);
  const composed = new T.Compose<[torch.Tensor, number]>([new T.ToTensor(), new T.RandomCrop(2)]);
  const [tensor, five] = composed(picture, 5);
  assert.deepEqual(tensor.shape, [1, 2, 2]);
  assert.equal(five, 5);
});

test("own transforms", () => {
  class Scaled extends T.Transform<number> {
    override make_params(): number {
      return torch.rand(1).item() as number;
    }
    override transform(x: torch.Tensor, factor: number): torch.Tensor {
      return x.mul(factor);
    }
  }
  torch.manual_seed(0);
  const out = new T.Compose([new T.ToTensor(), new Scaled()])(hwc);
  torch.manual_seed(0);
  const factor = torch.rand(1).item() as number;
  near(
    out,
    values(new T.ToTensor()(hwc)).map((v) => v * factor),
  );
  assert.throws(() => new T.Transform()(image), { name: "NotImplementedError" });
  assert.throws(() => new T.RandomHorizontalFlip(1.5), /in the interval \[0.0, 1.0\]/);
  assert.throws(() => new T.Compose([]), /Pass at least one transform/);
});

test("grids of images", () => {
  for (const { shape, input, options, result_shape, result } of grids) {
    const grid = make_grid(torch.FloatTensor(input).view(shape), options);
    assert.deepEqual(grid.shape, result_shape);
    near(grid, result);
  }
});
