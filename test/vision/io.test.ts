/** Pictures as files, against what torchvision reads (tools/golden-images.py). */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { deflateSync, inflateSync } from "node:zlib";
import * as torch from "../../src/index.ts";
import * as io from "../../src/vision/io/index.ts";

interface Pixels {
  dtype: string;
  shape: number[];
  data: string;
  error?: string;
}
type Golden = Record<string, Record<string, Pixels>> & Record<string, { file: string }>;
const golden: Golden = JSON.parse(readFileSync(join(import.meta.dirname, "images.json"), "utf8"));
const fileOf = (name: string): Uint8Array => new Uint8Array(Buffer.from(golden[name].file, "base64"));
const MODES = Object.keys(io.ImageReadMode).filter((mode) => mode !== "RGBA") as io.ImageReadMode[];

function valuesOf({ dtype, data }: Pixels): number[] {
  const bytes = inflateSync(Buffer.from(data, "base64"));
  if (dtype === "uint8") return [...bytes];
  return Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16LE(2 * i));
}

async function compare(name: string, mode: io.ImageReadMode, tolerance: number): Promise<void> {
  const wanted = golden[name][mode];
  const what = `${name} ${mode}`;
  if (wanted.error !== undefined) {
    await assert.rejects(io.decode_image(fileOf(name), { mode }), /mode is not supported for JPEG/, what);
    return;
  }
  const got = await io.decode_image(fileOf(name), { mode });
  assert.deepEqual(got.shape, wanted.shape, what);
  assert.equal(got.dtype, wanted.dtype === "uint16" ? torch.int32 : torch.uint8, what);
  const expected = valuesOf(wanted);
  const actual = got.flatten().tolist() as number[];
  const worst = Math.max(...actual.map((v, i) => Math.abs(v - expected[i])));
  assert.ok(worst <= tolerance, `${what}: off by ${worst}`);
}

/** torchvision 0.27 leaves memory unset here: palettes of less than 8 bits unchanged, opaque palettes with alpha. */
function isUndefinedInTorchvision(name: string, mode: string): boolean {
  return (mode === "UNCHANGED" && /^palette([14]|-)/.test(name)) || (mode.endsWith("ALPHA") && /^palette\d/.test(name));
}

test("PNG: every kind and mode, exactly", async () => {
  const names = Object.keys(golden).filter((name) => name.endsWith(".png"));
  assert.equal(names.length, 19);
  for (const name of names) {
    for (const mode of MODES) {
      // Alpha of greys with few bits is 1, 3 or 15 there, which nothing else takes for opaque; here it is 255.
      const alphaOfFewBits = /^grey[124]\./.test(name) && mode.endsWith("ALPHA");
      if (!isUndefinedInTorchvision(name, mode) && !alphaOfFewBits) await compare(name, mode, 0);
    }
  }
  const places = await io.decode_png(fileOf("palette1.png"));
  assert.deepEqual(places.unique().tolist(), [0, 1]);
  const opaque = await io.decode_png(fileOf("palette4.png"), "RGBA");
  assert.deepEqual(opaque.narrow(0, 0, 3).tolist(), (await io.decode_png(fileOf("palette4.png"), "RGB")).tolist());
  assert.ok(torch.all(opaque.select(0, 3).eq(255)).item());
  const grey = await io.decode_png(fileOf("grey2.png"), "GRAY_ALPHA");
  assert.ok(torch.all(grey.select(0, 1).eq(255)).item());
});

test("JPEG, WebP and GIF", async () => {
  for (const name of Object.keys(golden).filter((file) => !file.endsWith(".png"))) {
    for (const mode of MODES) {
      // libjpeg reads the grey of a colour picture from the file, here it is computed from the colours: clipping shows.
      await compare(name, mode, name.endsWith(".jpg") && mode === "GRAY" ? 4 : 0);
    }
  }
});

test("orientation", async () => {
  for (const name of ["turned.png", "turned.jpg"]) {
    const wanted = golden[name].oriented;
    const got = await io.decode_image(fileOf(name), { mode: "RGB", apply_exif_orientation: true });
    assert.deepEqual(got.shape, wanted.shape);
    assert.deepEqual(got.flatten().tolist(), valuesOf(wanted), name);
  }
});

describe("what is damaged is refused", () => {
  const rejected = (promise: Promise<unknown>, message: RegExp) =>
    assert.rejects(promise, { name: "RuntimeError", message });
  const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

  test("other formats", async () => {
    await rejected(io.decode_image(bytesOf("hello world")), /Unsupported image file. Only jpeg, png, webp and gif/);
    await rejected(io.decode_png(bytesOf("hello world")), /Content is not png!/);
    await rejected(io.decode_jpeg(fileOf("rgb8.png")), /Not a JPEG file: starts with 0x89 0x50/);
    await rejected(io.decode_gif(fileOf("rgb8.png")), /Not a GIF file/);
    await rejected(io.decode_image(torch.zeros(0, { dtype: torch.uint8 })), /non empty 1-dimensional tensor/);
    await rejected(io.decode_image(torch.zeros(3)), /Expected a torch.uint8 tensor/);
    await assert.rejects(io.decode_image(fileOf("rgb8.png"), "foo" as "RGB"), { name: "KeyError", message: "'FOO'" });
    await assert.rejects(io.decode_image(fileOf("rgb8.png"), { mod: "RGB" } as never), /did you mean 'mode'/);
  });

  test("PNG cut at every length, and each byte changed", async () => {
    const whole = fileOf("palette-transparent.png");
    const end = whole.length - 12;
    for (let n = 0; n < end; n++) await rejected(io.decode_png(whole.subarray(0, n)), /decode_png: /);
    let accepted = 0;
    for (let i = 0; i < end; i++) {
      const changed = whole.slice();
      changed[i] ^= 0xff;
      await io.decode_png(changed).then(
        () => accepted++,
        (error: Error) => assert.equal(error.name, "RuntimeError"),
      );
    }
    // Only the transparency can be read over: its twelve bytes of frame and three of its own.
    assert.ok(accepted <= 15, `${accepted} damaged files were accepted`);
  });

  test("sizes that the data cannot have", async () => {
    const huge = fileOf("rgb8.png").slice();
    new DataView(huge.buffer).setUint32(16, 999_999);
    new DataView(huge.buffer).setUint32(20, 999_999);
    new DataView(huge.buffer).setUint32(29, crc(huge.subarray(12, 29)));
    await rejected(io.decode_png(huge), /cannot hold 999999x999999 pixels/);
  });

  test("JPEG that is cut", async () => {
    const whole = fileOf("rgb.jpg");
    for (const n of [3, 100, 300, whole.length - 40]) {
      await rejected(io.decode_jpeg(whole.subarray(0, n)), /decode_jpeg: Image is incomplete or truncated/);
    }
  });
});

function crc(bytes: Uint8Array): number {
  // zlib's own: the last four bytes of a gzip file's first eight-byte trailer would do, but this is shorter.
  let c = ~0;
  for (const b of bytes) {
    c ^= b;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  }
  return ~c >>> 0;
}

test("interlaced", async () => {
  // Three bits of picture: 5×5 of grey, whose seven passes are written out by hand.
  const passes = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
  ];
  const rows: number[] = [];
  for (const [left, top, right, down] of passes) {
    for (let y = top; y < 5; y += down) {
      const row = [];
      for (let x = left; x < 5; x += right) row.push(10 * y + x);
      if (row.length > 0) rows.push(0, ...row);
    }
  }
  const chunk = (kind: string, body: Uint8Array): Uint8Array => {
    const inner = Buffer.concat([Buffer.from(kind), body]);
    const out = Buffer.alloc(inner.length + 8);
    out.writeUInt32BE(body.length);
    out.set(inner, 4);
    out.writeUInt32BE(crc(inner), inner.length + 4);
    return out;
  };
  const file = Buffer.concat([
    fileOf("rgb8.png").subarray(0, 8),
    chunk("IHDR", Uint8Array.of(0, 0, 0, 5, 0, 0, 0, 5, 8, 0, 0, 0, 1)),
    chunk("IDAT", deflateSync(Uint8Array.from(rows))),
    chunk("IEND", new Uint8Array()),
  ]);
  const image = await io.decode_png(file);
  assert.deepEqual(image.tolist(), [
    Array.from({ length: 5 }, (_, y) => Array.from({ length: 5 }, (_, x) => 10 * y + x)),
  ]);
});

test("written pictures", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kindling-io-"));
  torch.manual_seed(0);
  for (const shape of [
    [3, 7, 9],
    [1, 30, 4],
    [3, 1, 1],
  ]) {
    const image = torch.randint(0, 256, shape, { dtype: torch.uint8 });
    for (const compression_level of [0, 6, 9]) {
      const path = join(folder, `${compression_level}.png`);
      await io.write_png(image, path, { compression_level });
      assert.deepEqual((await io.read_image(path)).tolist(), image.tolist());
    }
  }
  // A soft picture survives JPEG nearly as it was, the better the quality the nearer.
  const soft = torch.arange(0, 256).view(1, 16, 16).to(torch.uint8).repeat(3, 1, 1);
  const errors: number[] = [];
  const sizes: number[] = [];
  for (const quality of [20, 75, 98]) {
    const path = join(folder, `${quality}.jpg`);
    await io.write_jpeg(soft, path, { quality });
    sizes.push((await readFile(path)).length);
    errors.push((await io.read_image(path)).sub(soft.to(torch.int16)).abs().max().item() as number);
  }
  assert.ok(errors[2] <= 3 && errors[0] > errors[2], `${errors}`);
  assert.ok(sizes[0] < sizes[1] && sizes[1] < sizes[2]);
  const grey = await io.decode_jpeg(await io.encode_jpeg(soft.narrow(0, 0, 1), 95));
  assert.deepEqual(grey.shape, [1, 16, 16]);
  await assert.rejects(io.encode_jpeg(soft, 0), { name: "ValueError", message: /between 1 and 100/ });
  await assert.rejects(io.encode_png(soft, 10), /Compression level should be between 0 and 9/);
  await assert.rejects(io.encode_png(soft, { level: 3 } as never), {
    name: "TypeError",
    message: /^encode_png\(\) got an unexpected keyword argument 'level'/,
  });
  await assert.rejects(io.write_jpeg(soft, join(folder, "x.jpg"), { qualty: 3 } as never), /did you mean 'quality'/);
  await assert.rejects(io.encode_png(soft.to(torch.float32)), /dtype should be uint8/);
  await assert.rejects(io.encode_png(soft.narrow(0, 0, 2)), /channels should be 1 or 3, got: 2/);
  await assert.rejects(io.encode_jpeg(soft.select(0, 0)), /3-dimensional/);

  await io.write_file(join(folder, "bytes"), torch.tensor([1, 2, 255], { dtype: torch.uint8 }));
  assert.deepEqual((await io.read_file(join(folder, "bytes"))).tolist(), [1, 2, 255]);
  await assert.rejects(io.read_file(join(folder, "none")), {
    name: "RuntimeError",
    message: /\[Errno 2\] No such file or directory: '.*none'/,
  });
  await assert.rejects(io.write_file(join(folder, "bytes"), torch.zeros(3)), /dtype should be uint8/);
  await assert.rejects(
    io.write_file(join(folder, "no/folder"), torch.zeros(1, { dtype: torch.uint8 })),
    /Error opening output file/,
  );
  await rm(folder, { recursive: true });
});
