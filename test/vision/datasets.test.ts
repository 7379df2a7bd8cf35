/** Datasets of pictures, against torchvision's (tools/golden-datasets.py). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync, inflateSync } from "node:zlib";
import * as torch from "../../src/index.ts";
import { DataLoader } from "../../src/utils/data/index.ts";
import {
  CIFAR10,
  CIFAR100,
  DatasetFolder,
  FakeData,
  find_classes,
  ImageFolder,
  make_dataset,
  VisionDataset,
} from "../../src/vision/datasets/index.ts";
import { Image } from "../../src/vision/image.ts";
import * as io from "../../src/vision/io/index.ts";
import * as T from "../../src/vision/transforms/index.ts";

interface Sample {
  mode: string;
  pixels: number[];
  target: number;
}
const golden: { fake: Sample[]; grey: Sample[]; pickle2: string; pickle4: string } = JSON.parse(
  readFileSync(join(import.meta.dirname, "datasets.json"), "utf8"),
);

describe("FakeData", () => {
  test("torchvision's pictures and targets", () => {
    const colours = new FakeData({ size: 4, image_size: [3, 5, 4], num_classes: 7, random_offset: 3 });
    const greys = new FakeData(2, [1, 20, 20], 100);
    torch.manual_seed(5);
    const before = torch.get_rng_state();
    for (const [dataset, samples] of [
      [colours, golden.fake],
      [greys, golden.grey],
    ] as const) {
      samples.forEach(({ mode, pixels, target }, i) => {
        const [image, got] = dataset.get(i);
        assert.equal(image.mode, mode);
        assert.equal(got, target);
        assert.deepEqual([...image.data], pixels);
      });
    }
    assert.deepEqual(torch.get_rng_state(), before);
    assert.throws(() => colours.get(4), { name: "IndexError", message: "FakeData index out of range" });
  });

  test("transforms and the text", () => {
    const transform = new T.Compose([new T.ToTensor()]);
    const dataset = new FakeData(3, [3, 4, 4], {
      transform,
      target_transform: function doubled(t: number) {
        return 2 * t;
      },
    });
    const [image, target] = dataset.get(1);
    assert.deepEqual((image as unknown as torch.Tensor).shape, [3, 4, 4]);
    assert.equal(target, 2 * new FakeData(3, [3, 4, 4]).get(1)[1]);
    // Python's text, with the name of the function for its address.
    assert.equal(
      String(dataset),
      `Dataset FakeData
    Number of datapoints: 3
    StandardTransform
Transform: ${String(transform).replaceAll("\n", `\n${" ".repeat(11)}`)}
Target transform: <function doubled>`,
    );
    class Pairs extends VisionDataset<readonly [unknown, unknown]> {
      readonly length = 2;
      override get(index: number): readonly [unknown, unknown] {
        return this.transformed(index, "target");
      }
    }
    assert.deepEqual(new Pairs("here", { transforms: (a, b) => [b, a] }).get(1), ["target", 1]);
    assert.deepEqual(new Pairs("here").get(1), [1, "target"]);
    assert.equal(String(new Pairs("here")), "Dataset Pairs\n    Number of datapoints: 2\n    Root location: here");
    assert.throws(() => new Pairs(null, { transforms: (a, b) => [a, b], transform: (a) => a }), {
      name: "ValueError",
      message: "Only transforms or transform/target_transform can be passed as argument",
    });
  });
});

describe("ImageFolder", () => {
  let root = "";
  const red = torch.tensor([255, 0, 0], { dtype: torch.uint8 }).view(3, 1, 1).expand(3, 4, 6).contiguous();
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "kindling-folder-"));
    for (const folder of ["b/sub", "a", "empty"]) await mkdir(join(root, folder), { recursive: true });
    for (const file of ["b/2.png", "b/10.PNG", "b/sub/x.png", "b/sub-a.png", "a/é.png", "a/Z.png"]) {
      await io.write_png(red, join(root, file));
    }
    await io.write_jpeg(red, join(root, "a/photo.jpg"), 100);
    await writeFile(join(root, "a/notes.txt"), "not a picture");
    await symlink("..", join(root, "b/sub/up"));
  });
  after(() => rm(root, { recursive: true }));

  test("classes, samples and their order", async () => {
    await assert.rejects(ImageFolder.load(root), {
      name: "FileNotFoundError",
      message:
        "Found no valid file for the classes empty. Supported extensions are: .jpg, .jpeg, .png, .ppm, .bmp, .pgm, .tif, .tiff, .webp",
    });
    const dataset = await ImageFolder.load(root, { allow_empty: true });
    assert.deepEqual(dataset.classes, ["a", "b", "empty"]);
    assert.deepEqual(dataset.class_to_idx, { a: 0, b: 1, empty: 2 });
    assert.deepEqual(
      dataset.samples.map(([path]) => path.slice(root.length + 1)),
      ["a/Z.png", "a/photo.jpg", "a/é.png", "b/10.PNG", "b/2.png", "b/sub-a.png", "b/sub/x.png"].sort((x, y) =>
        // os.walk's folders are sorted, then the files in each: "b/sub-a.png" is in "b".
        x < y ? -1 : 1,
      ),
    );
    assert.deepEqual(dataset.targets, [0, 0, 0, 1, 1, 1, 1]);
    assert.equal(dataset.imgs, dataset.samples);
    assert.equal(String(dataset), `Dataset ImageFolder\n    Number of datapoints: 7\n    Root location: ${root}`);
    const texts = await DatasetFolder.load(join(root), {
      loader: async (path) => path.length,
      is_valid_file: (path) => path.endsWith(".txt"),
      allow_empty: true,
      target_transform: (t) => t + 10,
    });
    assert.deepEqual(await texts.get(0), [join(root, "a/notes.txt").length, 10]);
    await assert.rejects(ImageFolder.load(root, { is_valid_file: (path) => path.endsWith("txt") }), {
      message: "Found no valid file for the classes b, empty. ",
    });
  });

  test("pictures and batches", async () => {
    const dataset = await ImageFolder.load(root, { allow_empty: true });
    const [image, target] = await dataset.get(-1);
    assert.ok(image instanceof Image);
    assert.deepEqual([image.mode, image.size, target], ["RGB", [6, 4], 1]);
    assert.deepEqual(image.getpixel([0, 0]), [255, 0, 0]);
    const [photo] = await dataset.get(dataset.samples.findIndex(([path]) => path.endsWith(".jpg")));
    assert.deepEqual(photo.getpixel([3, 3]), [254, 0, 0]);
    await assert.rejects(dataset.get(7), { name: "IndexError" });
    const tensors = await ImageFolder.load(root, { allow_empty: true, transform: new T.Compose([new T.ToTensor()]) });
    const shapes: unknown[] = [];
    for await (const [images, targets] of new DataLoader(tensors, 4)) shapes.push([images.shape, targets.tolist()]);
    assert.deepEqual(shapes, [
      [
        [4, 3, 4, 6],
        [0, 0, 0, 1],
      ],
      [
        [3, 3, 4, 6],
        [1, 1, 1],
      ],
    ]);
  });

  test("errors", async () => {
    await assert.rejects(ImageFolder.load(join(root, "a")), {
      name: "FileNotFoundError",
      message: `Couldn't find any class folder in ${join(root, "a")}.`,
    });
    await assert.rejects(find_classes(join(root, "none")), {
      name: "FileNotFoundError",
      message: `[Errno 2] No such file or directory: '${join(root, "none")}'`,
    });
    await assert.rejects(make_dataset(root, { a: 0 }), /Both extensions and is_valid_file cannot be None or not None/);
    await assert.rejects(make_dataset(root, {}), /'class_to_index' must have at least one entry/);
    await assert.rejects(ImageFolder.load(root, { transfrom: null } as never), /did you mean 'transform'/);
    assert.throws(() => new ImageFolder(root, undefined as never, undefined as never), /await ImageFolder\.load/);
    await writeFile(join(root, "a/broken.png"), "no picture");
    const dataset = await ImageFolder.load(root, { allow_empty: true });
    const broken = dataset.samples.findIndex(([path]) => path.includes("broken"));
    await assert.rejects(dataset.get(broken), /broken\.png: .*(unsupported|Unsupported|incomplete)/);
  });
});

describe("CIFAR", () => {
  const batch = {
    2: inflateSync(Buffer.from(golden.pickle2, "base64")),
    4: inflateSync(Buffer.from(golden.pickle4, "base64")),
  };
  const pixels = Uint8Array.from({ length: 2 * 3072 }, (_, i) => i % 251);
  const names = "airplane automobile bird cat deer dog frog horse ship truck".split(" ");

  /** As Python 2 wrote it: texts and pixels are strings of bytes. */
  function python2(
    labels: string,
    data: Uint8Array | null,
    extra: Record<string, string[]> = {},
  ): Uint8Array<ArrayBuffer> {
    const text = (s: string | Uint8Array): Buffer<ArrayBuffer> => {
      const bytes = Buffer.from(s as string, "latin1");
      const head = Buffer.alloc(5);
      head[0] = 0x54;
      head.writeUInt32LE(bytes.length, 1);
      return bytes.length < 256
        ? Buffer.concat([Buffer.from([0x55, bytes.length]), bytes])
        : Buffer.concat([head, bytes]);
    };
    const list = (items: Buffer<ArrayBuffer>[]): Buffer<ArrayBuffer> =>
      Buffer.concat([Buffer.from("](", "latin1"), ...items, Buffer.from("e", "latin1")]);
    const parts = [Buffer.from([0x80, 2]), Buffer.from("}(", "latin1")];
    if (data !== null) {
      const count = data.length / 3072;
      const targets = Array.from({ length: count }, (_, i) => Buffer.from([0x4b, (i + 3) % 10]));
      const shape = Buffer.concat([Buffer.from([0x4b, count, 0x4d, 0x00, 0x0c]), Buffer.from([0x86])]);
      parts.push(text(labels), list(targets), text("data"));
      parts.push(
        Buffer.from("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R(K\x01", "latin1"),
      );
      parts.push(
        shape,
        Buffer.from(
          "cnumpy\ndtype\nU\x02u1K\0K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89",
          "latin1",
        ),
      );
      parts.push(text(data), Buffer.from("tb", "latin1"));
    }
    for (const [key, items] of Object.entries(extra)) parts.push(text(key), list(items.map(text)));
    parts.push(Buffer.from("u.", "latin1"));
    return new Uint8Array(Buffer.concat(parts));
  }
  const meta = python2("", null, { label_names: names, fine_label_names: names });

  let folder = "";
  let server: Server;
  let address = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kindling-cifar-"));
    server = createServer((request, response) => {
      if (request.url === "/cifar.tar.gz") response.end(archive);
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    server.close();
    await rm(folder, { recursive: true });
  });
  const put = async (path: string, bytes: Uint8Array): Promise<void> => {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), bytes);
  };

  /** A tar archive of one folder. */
  function tar(files: Record<string, Uint8Array>): Buffer {
    const blocks: Buffer[] = [];
    for (const [name, bytes] of Object.entries(files)) {
      const header = Buffer.alloc(512);
      header.write(name);
      header.write(bytes.length.toString(8).padStart(11, "0"), 124);
      header.fill(" ", 148, 156);
      header.write("0", 156);
      header.write("ustar", 257);
      header.write(
        `${header
          .reduce((a, b) => a + b, 0)
          .toString(8)
          .padStart(6, "0")}\0 `,
        148,
      );
      blocks.push(header, Buffer.from(bytes), Buffer.alloc((512 - (bytes.length % 512)) % 512));
    }
    return Buffer.concat([...blocks, Buffer.alloc(1024)]);
  }
  const base = "cifar-10-batches-py";
  const archive = gzipSync(
    tar({
      ...Object.fromEntries([1, 2, 3, 4, 5].map((i) => [`${base}/data_batch_${i}`, python2("labels", pixels)])),
      [`${base}/test_batch`]: python2("labels", pixels.subarray(3072)),
      [`${base}/batches.meta`]: meta,
    }),
  );

  test("pickles of Python 2 and 3", async () => {
    const kinds = [python2("labels", pixels), new Uint8Array(batch[2]), new Uint8Array(batch[4])];
    for (const [i, bytes] of kinds.entries()) {
      await put(`pickles${i}/${base}/test_batch`, bytes);
      await put(`pickles${i}/${base}/batches.meta`, meta);
      const set = await CIFAR10.load(join(folder, `pickles${i}`), { train: false });
      assert.equal(set.length, 2);
      assert.deepEqual(set.targets, i === 0 ? [3, 4] : [3, 9]);
      assert.deepEqual(set.data.shape, [2, 32, 32, 3]);
      assert.deepEqual(set.data.permute(0, 3, 1, 2).flatten().tolist(), [...pixels]);
      const [image, target] = set.get(1);
      assert.deepEqual([image.mode, image.size, target], ["RGB", [32, 32], set.targets[1]]);
      assert.deepEqual(
        image.getpixel([5, 2]),
        [3072, 4096, 5120].map((start) => pixels[start + 69]),
      );
      assert.equal(set.classes[target], names[target]);
      assert.equal(set.class_to_idx.truck, 9);
    }
    const text = String(await CIFAR10.load(join(folder, "pickles1"), { train: false }));
    assert.equal(
      text,
      `Dataset CIFAR10\n    Number of datapoints: 2\n    Root location: ${folder}/pickles1\n    Split: Test`,
    );
  });

  test("the binary versions, in folders or not", async () => {
    const record = (label: number[], i: number): Uint8Array =>
      Uint8Array.from([...label, ...pixels.subarray(3072 * i, 3072 * (i + 1))]);
    await put("binary/cifar-10-batches-bin/test_batch.bin", Uint8Array.from([...record([7], 0), ...record([2], 1)]));
    await put("binary/cifar-10-batches-bin/batches.meta.txt", new TextEncoder().encode(`${names.join("\n")}\n\n`));
    const ten = await CIFAR10.load(join(folder, "binary"), { train: false });
    assert.deepEqual(ten.targets, [7, 2]);
    assert.deepEqual(ten.classes, names);
    assert.deepEqual(ten.data.permute(0, 3, 1, 2).flatten().tolist(), [...pixels]);
    await put("hundred/train.bin", record([19, 4], 1));
    await put("hundred/fine_label_names.txt", new TextEncoder().encode(names.join("\n")));
    const hundred = await CIFAR100.load(join(folder, "hundred"));
    assert.ok(hundred instanceof CIFAR100);
    assert.deepEqual(hundred.targets, [4]);
    await put("hundred/train.bin", record([19], 1));
    await assert.rejects(
      CIFAR100.load(join(folder, "hundred")),
      /3073 bytes are not a whole number of records of 3074/,
    );
    await put("hundred/cifar-100-python/train", python2("fine_labels", pixels));
    await put("hundred/cifar-100-python/meta", meta);
    assert.deepEqual((await CIFAR100.load(join(folder, "hundred"))).targets, [3, 4]);
  });

  test("batches are made at once where the transform can be", async () => {
    const transform = new T.Compose([new T.ToTensor(), new T.Normalize([0.5, 0.4, 0.3], [0.2, 0.2, 0.2])]);
    const set = await CIFAR10.load(join(folder, "pickles1"), {
      train: false,
      transform,
      target_transform: (t) => 10 - t,
    });
    const [images, targets] = [...new DataLoader(set, 2)][0];
    const [slow] = [...new DataLoader(set, { batch_size: 2, collate_fn: (s) => s })];
    assert.notEqual(set.get_collated([0]), null);
    assert.deepEqual(targets.tolist(), [7, 1]);
    assert.deepEqual(images.tolist(), torch.stack(slow.map(([x]) => x)).tolist());
  });

  test("downloads, checks and unpacks", async () => {
    class Local extends CIFAR10 {
      static override readonly url: string = `${address}/cifar.tar.gz`;
      static override readonly tgz_md5: string = createHash("md5").update(archive).digest("hex");
    }
    const root = join(folder, "downloaded");
    await assert.rejects(Local.load(root), {
      name: "RuntimeError",
      message: /^Dataset not found or corrupted\. You can use download: true to download it/,
    });
    const progress = (): void => {};
    const set = await Local.load(root, { download: true, progress });
    assert.equal(set.length, 10);
    assert.equal((await Local.load(root, { train: false })).length, 1);
    class Damaged extends Local {
      static override readonly tgz_md5 = "0".repeat(32);
    }
    await assert.rejects(
      Damaged.load(join(folder, "other"), { download: true, progress }),
      /the file is damaged \(MD5/,
    );
  });

  test("a pickle that is more than data is refused", async () => {
    const attack = Buffer.from("\x80\x02cos\nsystem\nU\x04echo\x85R.", "latin1");
    await put(`attack/${base}/test_batch`, attack);
    await put(`attack/${base}/batches.meta`, meta);
    await assert.rejects(CIFAR10.load(join(folder, "attack"), { train: false }), {
      name: "UnpicklingError",
      message: /test_batch: Unsupported global: os\.system/,
    });
    await put(`attack/${base}/test_batch`, python2("labels", pixels).subarray(0, 3000));
    await assert.rejects(CIFAR10.load(join(folder, "attack"), { train: false }), { name: "UnpicklingError" });
    await put(`attack/${base}/test_batch`, python2("nothing", pixels));
    await assert.rejects(CIFAR10.load(join(folder, "attack"), { train: false }), /not as many labels/);
  });
});
