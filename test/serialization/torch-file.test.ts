/** `torch.load` reads what PyTorch wrote, to the bit, and refuses what it must. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { describe, test } from "node:test";
import * as torch from "../../src/index.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { bits, describeValue } from "./describe.ts";
import { goldenBytes, goldenPath, index, network, train } from "./golden.ts";

/** A loaded value in the golden data's form. */
function described(value: unknown): { value: unknown; storages: string[] } {
  const storages: Storage[] = [];
  return { value: describeValue(value, storages), storages: storages.map(bits) };
}

describe("files of PyTorch load equal to the bit", () => {
  for (const [name, { value, storages }] of Object.entries(index.files)) {
    test(name, async () => {
      assert.deepEqual(described(await torch.load(goldenPath(name))), { value, storages });
    });
  }
});

describe("what was loaded can be saved, and is the same", () => {
  for (const [name, { value, storages }] of Object.entries(index.files)) {
    test(name, async () => {
      const bytes = torch.serialization.to_bytes(await torch.load(goldenPath(name)));
      assert.deepEqual(described(await torch.load(bytes)), { value, storages });
    });
  }
});

test("storages that are parts of others, in files before PyTorch 0.4", async () => {
  const [a, b, c] = await torch.load<torch.Tensor[]>(goldenPath("storage-views.legacy.pt"));
  assert.deepEqual([a.tolist(), b.tolist(), c.tolist()], [[...Array(10).keys()], [2, 3, 4, 5], [7, 8, 9]]);
  a.select(0, 3).fill_(30);
  assert.deepEqual(b.tolist(), [2, 30, 4, 5]);
});

describe("what cannot be loaded says why", () => {
  for (const [name, { error, words }] of Object.entries(index.refused)) {
    test(name, async () => {
      await assert.rejects(torch.load(goldenPath(name)), (e: Error) => {
        assert.equal(e.name, error, e.message);
        for (const word of words) assert.ok(e.message.includes(word), `${e.message} should have ${word}`);
        return true;
      });
    });
  }
});

describe("sources", () => {
  const bytes = goldenBytes("plain.pt") as Uint8Array<ArrayBuffer>;
  const expected = { value: index.files["plain.pt"].value, storages: index.files["plain.pt"].storages };
  const legacy = goldenBytes("dtypes.legacy.pt") as Uint8Array<ArrayBuffer>;
  const padded = new Uint8Array(bytes.length + 16);
  padded.set(bytes, 8);
  const sources: [string, () => Parameters<typeof torch.load>[0]][] = [
    ["path", () => goldenPath("plain.pt")],
    ["file address", () => new URL(`file://${goldenPath("plain.pt")}`)],
    ["text of a file address", () => `file://${goldenPath("plain.pt")}`],
    ["Uint8Array", () => bytes],
    ["part of an ArrayBuffer", () => padded.subarray(8, 8 + bytes.length)],
    ["ArrayBuffer", () => bytes.buffer],
    ["DataView", () => new DataView(bytes.buffer)],
    ["Buffer", () => readFileSync(goldenPath("plain.pt"))],
    ["Blob", () => new Blob([bytes])],
    ["Response", () => new Response(bytes)],
    ["data address", () => `data:application/octet-stream;base64,${Buffer.from(bytes).toString("base64")}`],
  ];
  for (const [name, source] of sources) {
    test(name, async () => assert.deepEqual(described(await torch.load(source())), expected));
  }
  test("the old format from a Blob", async () => {
    const { value, storages } = index.files["dtypes.legacy.pt"];
    assert.deepEqual(described(await torch.load(new Blob([legacy]))), { value, storages });
  });
  test("progress", async () => {
    const seen: [number, number | null][] = [];
    await torch.load(goldenPath("adam.pt"), { progress: (done, total) => seen.push([done, total]) });
    const [done, total] = seen[seen.length - 1];
    assert.equal(done, total);
    assert.ok(seen.length > 3 && seen.every(([n], i) => i === 0 || n >= seen[i - 1][0]));
    const headers = { "content-length": String(bytes.length) };
    const received: (number | null)[] = [];
    await torch.load(new Response(bytes, { headers }), { progress: (n, all) => received.push(n, all) });
    assert.deepEqual(received.slice(0, 2), [bytes.length, bytes.length]);
  });
  test("a response that failed", async () => {
    await assert.rejects(torch.load(new Response("no", { status: 404, statusText: "Not Found" })), {
      name: "RuntimeError",
      message: /HTTP 404 Not Found/,
    });
  });
  test("an address, and a connection that breaks", async () => {
    const server = createServer((request, response) => {
      response.setHeader("content-length", bytes.length);
      if (request.url === "/whole.pt") response.end(bytes);
      else response.write(bytes.subarray(0, 1000), () => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      assert.deepEqual(described(await torch.load(`${base}/whole.pt`)), expected);
      assert.deepEqual(described(await torch.load(new URL(`${base}/whole.pt`))), expected);
      await assert.rejects(torch.load(`${base}/cut.pt`), { name: "RuntimeError", message: /connection broke/ });
    } finally {
      server.close();
    }
  });
  test("a file of the old format whose pickle is longer than what is read at first", async () => {
    const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
    const head = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    const long = "x".repeat(2_000_000);
    const file = latin1(`${head}\x80\x02X\x80\x84\x1e\x00${long}.\x80\x02].`);
    assert.equal(await torch.load(new Blob([file as Uint8Array<ArrayBuffer>])), long);
  });
  test("what is no source", async () => {
    await assert.rejects(torch.load(5 as never), TypeError);
    const missing = goldenPath("missing.pt");
    await assert.rejects(torch.load(missing), {
      name: "FileNotFoundError",
      message: `[Errno 2] No such file or directory: '${missing}'`,
      code: "ENOENT",
    });
    await assert.rejects(torch.load(tmpdir()), { name: "RuntimeError", message: /is a directory$/ });
  });
  test("checksums in the archive are not compared, as in PyTorch", async () => {
    const file = torch.serialization.to_bytes({ x: torch.tensor([1, 2, 3], { dtype: torch.uint8 }) });
    const at = file.findIndex((_, i) => file[i] === 1 && file[i + 1] === 2 && file[i + 2] === 3);
    file[at] = 9;
    assert.deepEqual((await torch.load<{ x: torch.Tensor }>(file)).x.tolist(), [9, 2, 3]);
  });
});

describe("options", () => {
  test("map_location", async () => {
    const one = { value: [1] };
    for (const map_location of [
      "cpu",
      torch.device("cpu"),
      { "cuda:1": "cpu" },
      (s: { nbytes: number }) => s,
    ] as const) {
      const x = await torch.load<torch.Tensor>(goldenPath("cuda.pt"), { map_location: map_location as never });
      assert.deepEqual(x.tolist(), [1, 1], String(one));
    }
    await assert.rejects(torch.load(goldenPath("cuda.pt"), { map_location: { "cuda:0": "cpu" } }), {
      name: "RuntimeError",
      message: /CUDA device/,
    });
    await assert.rejects(torch.load(goldenPath("cuda.pt"), { map_location: () => null }), { name: "RuntimeError" });
    await assert.rejects(torch.load(goldenPath("plain.pt"), { map_location: "cuda:0" }), { name: "RuntimeError" });
  });
  test("weights_only and mmap", async () => {
    await assert.rejects(torch.load(goldenPath("plain.pt"), { weights_only: false }), { name: "NotImplementedError" });
    assert.ok(await torch.load(goldenPath("plain.pt"), { weights_only: true, mmap: true }));
    await assert.rejects(torch.load(goldenBytes("plain.pt"), { mmap: true }), { name: "ValueError" });
    await assert.rejects(torch.load(goldenPath("plain.pt"), { mapLocation: "cpu" } as never), TypeError);
  });
});

describe("states", () => {
  const makers = {
    sgd: (p: Iterable<torch.Tensor>) =>
      new torch.optim.SGD(p, { lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 1e-3 }),
    adam: (p: Iterable<torch.Tensor>) => new torch.optim.Adam(p, { lr: 0.5 }),
    adamw: (p: Iterable<torch.Tensor>) => new torch.optim.AdamW(p, { lr: 1e-5 }),
    rmsprop: (p: Iterable<torch.Tensor>) => new torch.optim.RMSprop(p),
  };
  type Schedule = { load_state_dict(state: Record<string, unknown>): void; step(): void };
  const schedules: Record<string, (o: never) => Schedule> = {
    sgd: (o) => new torch.optim.lr_scheduler.MultiStepLR(o, [100]),
    adam: (o) => new torch.optim.lr_scheduler.StepLR(o, 50),
    adamw: (o) => new torch.optim.lr_scheduler.CosineAnnealingLR(o, 3),
  };
  for (const [name, make] of Object.entries(makers)) {
    test(`a training with ${name} goes on as in PyTorch`, async () => {
      const saved = await torch.load<Record<string, never>>(goldenPath(`${name}.pt`));
      const model = network();
      assert.equal(String(model.load_state_dict(saved.model)), "<All keys matched successfully>");
      const optimizer = make(model.parameters());
      const scheduler = schedules[name]?.(optimizer as never);
      optimizer.load_state_dict(saved.optimizer);
      scheduler?.load_state_dict(saved.scheduler);
      const losses = train(model, optimizer, 3, 6, scheduler);
      const expected = index.files[`${name}.pt`].losses as number[];
      losses.forEach((loss, i) => {
        assert.ok(Math.abs(loss - expected[i]) < 1e-4, `step ${i}: ${loss}, PyTorch has ${expected[i]}`);
      });
    });
  }

  test("20 steps of PyTorch, then 40 here, are one training", async () => {
    const { losses } = JSON.parse(readFileSync(goldenPath("resume.json"), "utf8")) as { losses: number[] };
    const saved = await torch.load<Record<string, never>>(goldenPath("resume.pt"));
    const model = network();
    model.load_state_dict(saved.model);
    const optimizer = new torch.optim.Adam(model.parameters(), { lr: 0.01 });
    optimizer.load_state_dict(saved.optimizer);
    train(model, optimizer, 20, 60).forEach((loss, i) => {
      const expected = losses[20 + i];
      assert.ok(Math.abs(loss - expected) <= 1e-3 * expected, `step ${20 + i}: ${loss}, PyTorch has ${expected}`);
    });
  });
});

test("step counts that are numbers, as before PyTorch 1.12", async () => {
  const saved = await torch.load<Record<string, never>>(goldenPath("adam.pt"));
  const state = saved.optimizer as { state: Record<string, { step: unknown }> };
  const losses = [false, true].map((numbers) => {
    for (const s of Object.values(state.state)) if (numbers) s.step = (s.step as torch.Tensor).item();
    const model = network();
    model.load_state_dict(saved.model);
    const optimizer = new torch.optim.Adam(model.parameters());
    optimizer.load_state_dict(state as never);
    return train(model, optimizer, 3, 6);
  });
  assert.deepEqual(losses[0], losses[1]);
});

test("a quantized tensor is refused for what it is", async () => {
  // What PyTorch writes of the quantizer, without its storage: torch._utils._rebuild_qtensor((torch.per_tensor_affine,)).
  const pickle = "\x80\x02ctorch._utils\n_rebuild_qtensor\nctorch\nper_tensor_affine\n\x85R.";
  const head = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";
  const file = Uint8Array.from(`${head}${pickle}\x80\x02].`, (c) => c.charCodeAt(0));
  await assert.rejects(torch.load(file), {
    name: "NotImplementedError",
    message: /_rebuild_qtensor: quantized tensors are not supported$/,
  });
});

test("the state of CyclicLR has the key that PyTorch's load_state_dict takes out of it", () => {
  const optimizer = new torch.optim.SGD([new torch.nn.Parameter(torch.ones(2))], { lr: 0.1, momentum: 0.9 });
  const scheduler = new torch.optim.lr_scheduler.CyclicLR(optimizer, 0.01, 0.1);
  assert.equal(scheduler.state_dict()._scale_fn_custom, null);
});

describe("what an optimizer does not take", () => {
  const make = () => new torch.optim.Adam([new torch.nn.Parameter(torch.ones(2))], { lr: 0.5, maximize: true });
  test("no state dict", () => {
    const load = (state: unknown) => () => make().load_state_dict(state as never);
    assert.throws(load({}), { name: "KeyError", message: "'param_groups'" });
    assert.throws(load({ param_groups: [{ params: [0] }] }), { name: "KeyError", message: "'state'" });
    assert.throws(load([]), { name: "TypeError", message: /but got list$/ });
    assert.throws(load(torch.load(goldenPath("adam.pt"))), { name: "TypeError", message: /Promise.*await/ });
  });
  test("options that the state of an earlier PyTorch lacks are the optimizer's", () => {
    const optimizer = make();
    const old = { params: [0], lr: 0.25, betas: [0.5, 0.5], eps: 1e-6, weight_decay: 0, initial_lr: 3 };
    optimizer.load_state_dict({ state: {}, param_groups: [old] });
    const { params, ...options } = optimizer.param_groups[0];
    assert.equal(params.length, 1);
    assert.deepEqual(Object.keys(options).sort(), [...Object.keys(optimizer.defaults), "initial_lr"].sort());
    assert.equal(options.lr, 0.25);
    assert.equal(options.initial_lr, 3);
    assert.equal(options.amsgrad, false);
    assert.equal(options.maximize, true);
  });
});
