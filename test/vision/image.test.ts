/** Pictures do what Pillow's do, to the byte: tools/golden-image.py. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inspect } from "node:util";
import { crc32 } from "node:zlib";
import * as torch from "../../src/index.ts";
import { Image, type ImageMode, is_image, Transpose } from "../../src/vision/image.ts";
import { type Resampling, resizeImage } from "../../src/vision/transforms/pil/resample.ts";

type Checksum = [width: number, height: number, crc: number];
const golden = JSON.parse(readFileSync(new URL("./image-golden.json", import.meta.url), "utf8")) as Record<
  "convert" | "transpose" | "crop" | "resize",
  Record<string, Checksum>
>;

const noise = Uint8Array.from(
  { length: 64 * 97 * 4 },
  (_, i) => ((((i * 40503) % 65536) * ((i % 251) + 7)) >> 5) & 255,
);
const CHANNELS = { L: 1, LA: 2, RGB: 3, RGBA: 4, CMYK: 4, HSV: 3 } as const;
const line = (value: (i: number) => number): number[] => Array.from({ length: 1000 }, (_, i) => value(i));
const WIDE = {
  I: new Image("I", [100, 10], Int32Array.from(line((i) => i - 500))),
  F: new Image("F", [100, 10], Float32Array.from(line((i) => i / 8 - 20))),
  "I;16": new Image("I;16", [100, 10], Uint16Array.from(line((i) => i * 65))),
};

function picture(mode: string, width = 64, height = 97): Image {
  if (Object.hasOwn(WIDE, mode)) return WIDE[mode as "I"];
  const channels = CHANNELS[mode as "L"];
  return new Image(mode as "L", [width, height], noise.slice(0, width * height * channels));
}

function compare(cases: Record<string, Checksum>, run: (key: string) => Image): void {
  const wrong = Object.entries(cases).filter(([key, expected]) => {
    const image = run(key);
    return String([...image.size, crc32(image.tobytes())]) !== String(expected);
  });
  assert.deepEqual(
    wrong.map(([key]) => key),
    [],
  );
}

test("convert", () => {
  compare(golden.convert, (key) => {
    const [from, to] = key.split(" ");
    return picture(from).convert(to as ImageMode);
  });
  const one = picture("L").convert("1");
  assert.deepEqual(one.convert("RGB").getpixel([0, 0]), Array(3).fill(one.getpixel([0, 0])));
  assert.throws(() => picture("RGB").convert("P" as never), /unrecognized image mode/);
  assert.throws(() => picture("RGB").convert("I"), /conversion from RGB to I not supported/);
});

test("transpose and crop", () => {
  compare(golden.transpose, (key) => {
    const [mode, method] = key.split(" ");
    return picture(mode).transpose(Number(method) as Transpose);
  });
  compare(golden.crop, (mode) => picture(mode).crop([-3, 5, 40, 120]));
  assert.throws(() => picture("L").crop([5, 0, 4, 9]), /Coordinate 'right' is less than 'left'/);
});

test("resize", () => {
  compare(golden.resize, (key) => {
    const [mode, width, height, outWidth, outHeight, filter] = key.split(" ");
    const image = picture(mode, Number(width), Number(height));
    return resizeImage(image, [Number(outWidth), Number(outHeight)], filter as Resampling);
  });
});

test("pixels, tensors and texts", () => {
  const image = new Image("RGB", [2, 1], Uint8Array.of(1, 2, 3, 4, 5, 6));
  assert.deepEqual(image.getpixel([1, 0]), [4, 5, 6]);
  assert.deepEqual(image.getpixel([-2, -1]), [1, 2, 3]);
  assert.throws(() => image.getpixel([2, 0]), /image index out of range/);
  assert.deepEqual(image.getbands(), ["R", "G", "B"]);
  assert.deepEqual(Image.merge("RGB", image.split()).data, image.data);
  assert.deepEqual(
    image.split().map((band) => [...band.data]),
    [
      [1, 4],
      [2, 5],
      [3, 6],
    ],
  );
  const array = torch.tensor(image.data as Uint8Array).view(1, 2, 3);
  assert.deepEqual(Image.fromarray(array).data, image.data);
  assert.equal(Image.fromarray(array, "HSV").mode, "HSV");
  assert.equal(Image.fromarray(torch.ones([2, 3]).to(torch.int16)).mode, "I;16");
  assert.deepEqual([...Image.fromarray(torch.tensor([[true, false]])).data], [255, 0]);
  assert.throws(() => Image.fromarray(torch.ones([2, 3, 3])), /Cannot handle this data type: \(1, 1, 3\)/);
  assert.throws(() => Image.fromarray(array, "RGBA"), /Cannot handle this data type/);
  assert.deepEqual([...Image.new("LA", [1, 2], [7, 9]).data], [7, 9, 7, 9]);
  assert.deepEqual([...Image.new("RGB", [1, 1], 5).data], [5, 0, 0]);
  assert.deepEqual(
    [...image.point(Array.from({ length: 256 }, (_, v) => 255 - v)).data],
    [254, 253, 252, 251, 250, 249],
  );
  assert.equal(image.histogram()[256 + 5], 1);
  assert.equal(`${image}`, "<PIL.Image.Image image mode=RGB size=2x1>");
  assert.equal(inspect(image), `${image}`);
  assert.ok(is_image(image) && !is_image(array));
  assert.equal(image.copy().transpose(Transpose.ROTATE_90).height, 2);
});

test("wrong pictures are refused", () => {
  assert.throws(() => new Image("RGB", [2, 2], new Uint8Array(11)), /not enough image data/);
  assert.throws(() => new Image("L", [2, 2], new Uint8Array(5)), /too much/);
  assert.throws(() => new Image("I", [2, 2], new Uint8Array(4) as never), /Int32Array/);
  assert.throws(() => new Image("toString" as never, [1, 1], new Uint8Array(1)), /unrecognized image mode/);
  assert.throws(() => new Image("L", [-1, 2], new Uint8Array(0)), /must be >= 0/);
});
