/** What a page does with the built package: every check in a real browser. The test serves this file without its types. */
import * as torch from "kindling";
import * as safetensors from "kindling/safetensors";
import * as vision from "kindling/vision";
import { describeValue, resnetLogits, trainLeNet, transformedPicture } from "./computations.ts";

export interface Result {
  readonly name: string;
  readonly milliseconds: number;
  readonly error: string | null;
  /** What Node must have computed, too. */
  readonly value?: unknown;
}

function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

function assertEqual(actual: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`got ${a}, expected ${b}`);
}

async function assertRejects(action: Promise<unknown>, type: new (message: string) => Error, text: RegExp) {
  const error = await action.then(
    () => null,
    (reason) => reason,
  );
  assert(error !== null, `nothing was thrown instead of ${text}`);
  assert(error instanceof type && text.test(error.message), `got ${error?.stack ?? error} instead of ${text}`);
}

const results: Result[] = [];
async function check(name: string, action: () => unknown): Promise<void> {
  const start = performance.now();
  const passed: { value?: unknown; error: string | null } = { error: null };
  try {
    passed.value = await action();
  } catch (error) {
    passed.error = String((error as Error)?.stack ?? error);
  }
  results.push({ name, milliseconds: performance.now() - start, ...passed });
}

const fetchBytes = async (address: string): Promise<Uint8Array> =>
  new Uint8Array(await (await fetch(address)).arrayBuffer());
const requestsOf = async (path: string): Promise<number> => (await fetch(`/requests${path}`)).json();

export async function runChecks(): Promise<readonly Result[]> {
  await check("tensors", () => {
    const x = torch.tensor([[1, 2.5], [3, 4]], { requires_grad: true }); // biome-ignore format: a matrix
    x.mul(x).sum().backward();
    assertEqual(String(x.grad), "tensor([[2., 5.],\n        [6., 8.]])");
    torch.manual_seed(0);
    assertEqual(String(torch.rand(2, 3)), "tensor([[0.4963, 0.7682, 0.0885],\n        [0.1320, 0.3074, 0.6341]])");
    assertEqual(torch.arange(6, { dtype: torch.int64 }).view(2, 3).sum(0).tolist(), [3, 5, 7]);
  });
  await check("training", () => trainLeNet(torch));
  await check("resnet18", () => resnetLogits(torch, vision));
  await check("transforms", () => transformedPicture(torch, vision));

  await check("modes, anomaly mode, a picture of the history", async () => {
    const x = torch.tensor([-1.5], { requires_grad: true });
    assertEqual(
      torch.no_grad(() => x.mul(2).requires_grad),
      false,
    );
    const guard = torch.inference_mode()[Symbol.dispose ?? Symbol.for("Symbol.dispose")];
    assertEqual(torch.ones(1).is_inference(), true);
    guard();
    const run = async (): Promise<boolean> => torch.no_grad(async () => x.mul(2).requires_grad);
    if ("AsyncContext" in globalThis) assertEqual(await run(), false);
    else await assertRejects(run(), TypeError, /this platform has neither AsyncContext nor/);
    assertEqual([torch.is_grad_enabled(), torch.is_inference_mode_enabled()], [true, false]);

    const { warn } = console;
    let shown = "";
    console.warn = (text: string) => {
      shown = text;
    };
    const failing = async (): Promise<void> => torch.autograd.set_detect_anomaly(true, () => x.sqrt().sum().backward());
    await assertRejects(failing(), torch.RuntimeError, /'SqrtBackward0' returned nan values in its 0th output/);
    console.warn = warn;
    // The first call is this page's, not one of the library.
    assertEqual(/caused the error:\n\s*at .*\/page\.ts:/.test(shown), true);

    const graph = torch.utils.viz.make_dot(x.exp().sum(), { params: { "a < b": x } });
    const picture = new DOMParser().parseFromString(graph.svg(), "image/svg+xml");
    assertEqual(picture.querySelectorAll("g.function").length, 3);
    assertEqual(picture.querySelector("g.leaf text")?.textContent, "a < b");
    await assertRejects(graph.save("graph.svg"), torch.NotImplementedError, /needs a file system/);
  });

  await check("torch.load of an address, a relative one, a Blob and a Response", async () => {
    const address = new URL("/checkpoints/state-dict.pt", location.href);
    const seen: number[] = [];
    const loaded = describeValue(torch, await torch.load(address, { progress: (done) => seen.push(done) }));
    const bytes = await fetchBytes(address.href);
    assertEqual(seen.at(-1), bytes.length);
    assertEqual(describeValue(torch, await torch.load("checkpoints/state-dict.pt")), loaded);
    assertEqual(describeValue(torch, await torch.load(new Blob([bytes as BlobPart]))), loaded);
    assertEqual(describeValue(torch, await torch.load(await fetch(address))), loaded);
    await assertRejects(torch.load("/checkpoints/absent.pt"), torch.RuntimeError, /absent\.pt: HTTP 404/);
    return loaded;
  });
  for (const file of ["values.pt", "state-dict.legacy.pt", "deflated.pt", "dtypes.pt", "adam.pt"]) {
    await check(`torch.load of ${file}`, async () =>
      describeValue(torch, await torch.load(new URL(`/checkpoints/${file}`, location.href))),
    );
  }
  await check("torch.save", async () => {
    const loaded = await torch.load("/checkpoints/state-dict.pt");
    const bytes = torch.serialization.to_bytes(loaded);
    assertEqual(describeValue(torch, await torch.load(bytes)), describeValue(torch, loaded));
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array<ArrayBuffer>>();
    const [, streamed] = await Promise.all([torch.save(loaded, writable), new Response(readable).arrayBuffer()]);
    assertEqual([...new Uint8Array(streamed)], [...bytes]);
    await assertRejects(torch.save(loaded, "model.pt"), torch.NotImplementedError, /a browser has no files/);
    await assertRejects(
      safetensors.save_file({ x: torch.ones(2) }, "model.safetensors"),
      torch.NotImplementedError,
      /a browser has no files/,
    );
  });

  await check("safetensors", async () => {
    const address = new URL("/model.safetensors", location.href);
    const described = describeValue(torch, await safetensors.load_file(address));
    assertEqual(describeValue(torch, await safetensors.load_file("model.safetensors")), described);
    assertEqual(describeValue(torch, await safetensors.load_file("model.safetensors.index.json")), described);
    const file = await safetensors.safe_open(await (await fetch(address)).blob());
    assertEqual(file.metadata(), { format: "pt" });
    file.close();
    const again = safetensors.load(safetensors.save(await safetensors.load_file(address)));
    assertEqual(describeValue(torch, again), described);
    return described;
  });

  await check("torch.hub.load_state_dict_from_url", async () => {
    const { name } = (await (await fetch("/hashed.json")).json()) as { name: string };
    const path = `/hashed/${name}`;
    const url = new URL(path, location.href);
    const first = describeValue(torch, await torch.hub.load_state_dict_from_url(url, { check_hash: true }));
    assertEqual(await requestsOf(path), 1);
    assertEqual(describeValue(torch, await torch.hub.load_state_dict_from_url(url, { check_hash: true })), first);
    assertEqual(await requestsOf(path), 1);
    assertEqual(await caches.keys(), ["torch/hub/checkpoints"]);
    const wrong = new URL("/hashed/net-00000000.pt", location.href);
    const wrongLoad = torch.hub.load_state_dict_from_url(wrong, { check_hash: true });
    await assertRejects(
      wrongLoad,
      torch.RuntimeError,
      /invalid hash value \(expected "00000000", got "[0-9a-f]{64}"\)/,
    );
    const cache = await caches.open("torch/hub/checkpoints");
    assert((await cache.match(wrong)) === undefined, "a file with a wrong hash was kept");
    const absent = new URL("/absent.pt", location.href);
    await assertRejects(
      torch.hub.load_state_dict_from_url(absent),
      torch.RuntimeError,
      /cannot download.*HTTP Error 404/,
    );
    return first;
  });
  await check("a download that is cut goes on", async () => {
    const loaded = await torch.hub.load_state_dict_from_url(new URL("/cut-once.pt", location.href));
    assertEqual(await requestsOf("/cut-once.pt"), 2);
    return describeValue(torch, loaded);
  });
  await check("a download from another origin", async () => {
    const other = `http://localhost:${location.port}`;
    const loaded = await torch.hub.load_state_dict_from_url(`${other}/shared.pt`);
    await assertRejects(
      torch.hub.load_state_dict_from_url(`${other}/checkpoints/state-dict.pt`),
      torch.RuntimeError,
      /does not let pages of other origins read its files/,
    );
    return describeValue(torch, loaded);
  });
  await check("a model's weights", async () => {
    const net = vision.models.squeezenet1_1({ num_classes: 2 });
    const state = await torch.load(torch.serialization.to_bytes(net.state_dict()));
    assertEqual(String(net.load_state_dict(state as Record<string, torch.Tensor>)), "<All keys matched successfully>");
    // The official file cannot be had here: another one at its address must be refused.
    const realFetch = globalThis.fetch;
    const addresses: string[] = [];
    globalThis.fetch = (address, options) => {
      addresses.push(String(address));
      return realFetch("/shared.pt", options);
    };
    try {
      const load = vision.models.squeezenet1_1({ weights: "DEFAULT" });
      await assertRejects(load, torch.RuntimeError, /invalid hash value \(expected "b8a52dc0"/);
    } finally {
      globalThis.fetch = realFetch;
    }
    assertEqual(addresses, ["https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth"]);
  });

  await check("a dataset from the server", async () => {
    const { FashionMNIST } = vision.datasets;
    const data = await FashionMNIST.load("data", { train: false, transform: new vision.transforms.ToTensor() });
    assertEqual(data.length, 3);
    const batches: unknown[] = [];
    for await (const [images, targets] of new torch.utils.data.DataLoader(data, { batch_size: 2 })) {
      batches.push([images.shape, targets.tolist()]);
    }
    assertEqual(batches, [[[2, 1, 28, 28], [7, 0]], [[1, 1, 28, 28], [9]]]); // biome-ignore format: a list of batches
    assertEqual(data.data.select(0, 2).unique().tolist(), [3]);
    const absent = FashionMNIST.load("absent", { download: true });
    await assertRejects(absent, torch.NotImplementedError, /a browser has no folder for/);
  });

  await check("decode_image", async () => {
    const images = (await (await fetch("/images.json")).json()) as Record<string, EncodedPicture>;
    const worst: Record<string, number> = {};
    for (const [name, { file, shape, pixels }] of Object.entries(images)) {
      const got = await vision.io.decode_image(bytesOf(file), { mode: "RGB" });
      assertEqual(got.shape, shape);
      const expected = bytesOf(pixels);
      worst[name] = Math.max(...(got.flatten().tolist() as number[]).map((v, i) => Math.abs(v - expected[i])));
    }
    // Only PNG says which values a reader has to give; of the others browsers keep the colours, to a few levels.
    for (const [name, difference] of Object.entries(worst)) {
      assert(difference <= (name.endsWith(".png") ? 0 : 4), `worst differences: ${JSON.stringify(worst)}`);
    }
    const picture = await vision.io.read_image("rgb8.png");
    assertEqual(picture.shape, images["rgb8.png"].shape);
  });
  await check("encode_png and encode_jpeg", async () => {
    const [y, x] = [torch.arange(32).view(32, 1), torch.arange(48).view(1, 48)];
    const channels = [y.mul(4).add(x.mul(0)), x.mul(5).add(y.mul(0)), y.add(x).mul(2)];
    const picture = torch.stack(channels).to(torch.uint8);
    const decoded = await vision.io.decode_image(await vision.io.encode_png(picture));
    assert(torch.equal(decoded, picture), "PNG changes the picture");
    const file = await vision.io.encode_jpeg(picture, { quality: 95 });
    assertEqual(file.narrow(0, 0, 3).tolist(), [0xff, 0xd8, 0xff]);
    const lossy = await vision.io.decode_jpeg(file);
    assertEqual(lossy.shape, [3, 32, 48]);
    const difference = lossy.to(torch.float32).sub(picture.to(torch.float32)).abs().mean().item() as number;
    assert(difference < 3, `JPEG is off by ${difference} on average`);
    await assertRejects(
      vision.io.write_png(picture, "picture.png"),
      torch.NotImplementedError,
      /a browser has no files/,
    );
  });
  return results;
}

interface EncodedPicture {
  /** Base64. */
  readonly file: string;
  readonly shape: readonly number[];
  /** Base64 of the pixels that torchvision reads. */
  readonly pixels: string;
}

const bytesOf = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
