/** IDX files and the datasets made of them. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import * as torch from "../../src/index.ts";
import { DataLoader, Subset } from "../../src/utils/data/index.ts";
import { FashionMNIST, MNIST, read_idx } from "../../src/vision/datasets/index.ts";
import * as T from "../../src/vision/transforms/index.ts";

/** An IDX file of the given element type and shape. */
function idx(type: number, shape: number[], elements: Uint8Array): Uint8Array<ArrayBuffer> {
  const header = new DataView(new ArrayBuffer(4 + 4 * shape.length));
  header.setUint8(2, type);
  header.setUint8(3, shape.length);
  shape.forEach((size, i) => {
    header.setUint32(4 + 4 * i, size);
  });
  return new Uint8Array([...new Uint8Array(header.buffer), ...elements]);
}

const COUNT = 7;
const pixels = Uint8Array.from({ length: COUNT * 16 }, (_, i) => (i * 37) % 256);
const images = idx(8, [COUNT, 4, 4], pixels);
const labels = idx(
  8,
  [COUNT],
  Uint8Array.from({ length: COUNT }, (_, i) => 9 - i),
);

test("element types and byte order", () => {
  const int16 = read_idx(idx(0x0b, [2], Uint8Array.of(0xff, 0xfe, 0x01, 0x2c)));
  assert.equal(int16.dtype, torch.int16);
  assert.deepEqual(int16.tolist(), [-2, 300]);
  const pi = Uint8Array.of(0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18);
  const doubles = read_idx(idx(0x0e, [1, 1], pi));
  assert.deepEqual(doubles.tolist(), [[Math.PI]]);
  assert.deepEqual(read_idx(idx(9, [2], Uint8Array.of(255, 1))).tolist(), [-1, 1]);
  assert.deepEqual(read_idx(idx(8, [0, 5], new Uint8Array())).shape, [0, 5]);
});

test("damaged files are refused before memory is taken", () => {
  const refuse = (bytes: Uint8Array, message: RegExp): void => {
    assert.throws(() => read_idx(bytes), { name: "ValueError", message });
  };
  refuse(new Uint8Array(3), /only 3 bytes/);
  refuse(Uint8Array.of(1, 2, 3, 4), /starts with 01 02 03 04/);
  refuse(new Uint8Array(gzipSync(images)), /gzip/);
  refuse(idx(7, [1], new Uint8Array(1)), /unknown element type 0x07/);
  refuse(idx(8, [], new Uint8Array(1)), /no dimensions/);
  refuse(images.subarray(0, 9), /header should have 16 bytes/);
  refuse(images.subarray(0, images.length - 1), /needs 128 bytes, but the file has 127/);
  refuse(new Uint8Array([...images, 0]), /needs 128 bytes, but the file has 129/);
  refuse(idx(8, [2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1], new Uint8Array(4)), /needs .* bytes/);
});

describe("MNIST", () => {
  let folder = "";
  let server: Server;
  let address = "";
  const requests: string[] = [];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kindling-mnist-"));
    server = createServer((request, response) => {
      requests.push(request.url as string);
      const name = (request.url as string).slice("/files/".length);
      if (request.url === "/damaged/train-images-idx3-ubyte.gz") response.end("not the file");
      else if (name === "train-images-idx3-ubyte.gz") response.end(gzipSync(images));
      else if (name === "train-labels-idx1-ubyte.gz") response.end(gzipSync(labels));
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    server.close();
    await rm(folder, { recursive: true });
  });

  test("torchvision's folders, .gz or not, or the files themselves", async () => {
    const raw = join(folder, "a", "FashionMNIST", "raw");
    await mkdir(raw, { recursive: true });
    await writeFile(join(raw, "train-images-idx3-ubyte.gz"), gzipSync(images));
    await writeFile(join(raw, "train-labels-idx1-ubyte"), labels);
    for (const set of [await FashionMNIST.load(join(folder, "a")), await MNIST.load(raw)]) {
      assert.deepEqual(set.data.shape, [COUNT, 4, 4]);
      assert.equal(set.targets.dtype, torch.int64);
      assert.deepEqual(set.data.flatten().tolist(), [...pixels]);
      assert.deepEqual(set.targets.tolist(), [9, 8, 7, 6, 5, 4, 3]);
    }
    const clothes = await FashionMNIST.load(`${folder}/a/`);
    assert.ok(clothes instanceof FashionMNIST);
    assert.equal(clothes.classes[9], "Ankle boot");
    assert.equal(clothes.class_to_idx.Sneaker, 7);
    assert.match(
      String(clothes),
      /^Dataset FashionMNIST\n {4}Number of datapoints: 7\n {4}Root location: .*\n {4}Split: Train$/,
    );
    await assert.rejects(MNIST.load(join(folder, "a")), {
      name: "RuntimeError",
      message: /^Dataset not found: MNIST needs train-images.* in .*MNIST\/raw\. You can use download: true/,
    });
    await assert.rejects(MNIST.load(raw, { train: false }), /t10k-images/);
    await assert.rejects(MNIST.load(raw, { tranform: null } as never), /did you mean 'transform'/);
    await writeFile(join(raw, "train-images-idx3-ubyte.gz"), gzipSync(images).subarray(0, 60));
    await assert.rejects(FashionMNIST.load(join(folder, "a")), /damaged or incomplete/);
  });

  test("from a web server, and from buffers", async () => {
    const set = await MNIST.load(`${address}/files`);
    assert.equal(set.length, COUNT);
    const same = await MNIST.from_buffers(new Uint8Array(gzipSync(images)), labels.buffer);
    assert.deepEqual(same.data.tolist(), set.data.tolist());
    await assert.rejects(MNIST.from_buffers(labels, images), /should have 3 dimension/);
    await assert.rejects(MNIST.from_buffers(images, idx(8, [2], new Uint8Array(2))), /7 images, but 2 labels/);
  });

  test("downloads from the first mirror that has a file unharmed", async () => {
    const digest = (bytes: Uint8Array): string => createHash("md5").update(gzipSync(bytes)).digest("hex");
    class Local extends MNIST {
      static override mirrors = [`${address}/absent/`, `${address}/damaged/`, `${address}/files/`];
      static override resources = [
        ["train-images-idx3-ubyte.gz", digest(images)],
        ["train-labels-idx1-ubyte.gz", digest(labels)],
      ] as const;
    }
    const seen = new Map<string, number>();
    const progress = (file: string, received: number): void => {
      seen.set(file, received);
    };
    const set = await Local.load(join(folder, "b"), { download: true, progress });
    assert.deepEqual(set.data.flatten().tolist(), [...pixels]);
    assert.equal(seen.get("train-images-idx3-ubyte.gz"), gzipSync(images).length);
    assert.deepEqual(await readdir(join(folder, "b", "Local", "raw")), [
      "train-images-idx3-ubyte",
      "train-labels-idx1-ubyte",
    ]);
    requests.length = 0;
    await Local.load(join(folder, "b"), { download: true });
    assert.deepEqual(requests, [], "what is there is not downloaded again");
    Local.mirrors = [`${address}/absent/`, `${address}/damaged/`];
    await assert.rejects(Local.load(join(folder, "c"), { download: true, progress }), (error: Error) => {
      assert.equal(error.name, "RuntimeError");
      assert.match(error.message, /absent\/train-images-idx3-ubyte\.gz: HTTP 404/);
      assert.match(error.message, /damaged\/train-images-idx3-ubyte\.gz: the file is damaged \(MD5 /);
      assert.match(error.message, /by hand, download train-images-idx3-ubyte\.gz and put it .* into .*raw$/);
      return true;
    });
  });

  test("samples and batches", async () => {
    const transform = new T.Compose([new T.Pad(1), new T.ToTensor(), new T.Normalize([0.5], [0.25])]);
    const set = await MNIST.from_buffers(images, labels, { transform, target_transform: (t) => t % 2 === 0 });
    const [image, even] = set.get(-1);
    assert.deepEqual(image.shape, [1, 6, 6]);
    assert.equal(even, false);
    assert.throws(() => set.get(COUNT), { name: "IndexError" });
    const indices = [6, 0, 3];
    const [batch, targets] = [...new DataLoader(set, { batch_sampler: [indices] })][0];
    assert.equal(targets.dtype, torch.bool);
    assert.deepEqual(targets.tolist(), [false, false, true]);
    const slow = [...new DataLoader(new Subset(set, indices), { batch_size: 3, collate_fn: (s) => s })][0];
    assert.deepEqual(batch.tolist(), torch.stack(slow.map(([x]) => x)).tolist());
    const random = new MNIST(set.data, set.targets, {
      transform: new T.Compose([new T.RandomCrop(2), new T.ToTensor()]),
    });
    assert.equal(random.get_collated(indices), null);
    assert.deepEqual(
      [...new DataLoader(random, 4)].map(([x]) => x.shape),
      [
        [4, 1, 2, 2],
        [3, 1, 2, 2],
      ],
    );
    assert.throws(() => new MNIST("data" as never, set.targets), /await MNIST\.load\(root, options\)/);
  });
});
