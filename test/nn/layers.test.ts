/** Every layer's text, initial values and argument checks, compared with PyTorch's (tools/golden-modules.py). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

interface Case {
  args: unknown[];
  kwargs: Record<string, unknown>;
  repr: string;
  state?: Record<string, [dtype: string, shape: number[], digest: string]>;
  inputs?: [kind: string, shape: number[]][];
  outputs?: Record<string, [shape: number[], sum: number, weighted: number][]>;
}

interface Golden {
  layers: { name: string; parameters: string[]; positional: number; cases: Case[] }[];
  errors: { name: string; args: unknown[]; kwargs: Record<string, unknown>; error: string; message: string }[];
}

const golden = JSON.parse(readFileSync(new URL("golden-repr.json", import.meta.url), "utf8")) as Golden;

function layer(name: string): new (...args: unknown[]) => torch.nn.Module {
  const found = (torch.nn as unknown as Record<string, unknown>)[name];
  assert.ok(typeof found === "function", `nn.${name} is missing`);
  return found as new (
    ...args: unknown[]
  ) => torch.nn.Module;
}

function digest(tensor: torch.Tensor): string {
  const values = tensor.detach().contiguous().typed_array();
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

/** The numbers that tools/golden-modules.py makes. */
function value(kind: string, index: number, i: number): number {
  if (kind === "c") return (7 * i + index) % 4;
  if (kind === "s") return (5 * i + index) % 3 === 0 ? -1 : 1;
  const step = (37 * i + 11 * index + Math.floor(i / 23) + 5) % 29;
  return kind === "p" ? (step + 1) / 32 : (step - 14) / 8;
}

function make(kind: string, shape: number[], index: number): torch.Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: count }, (_, i) => value(kind, index, i));
  return torch.tensor(values, { dtype: kind === "c" ? torch.int64 : torch.float32 }).view(shape);
}

function assertOutput(out: torch.Tensor, [shape, sum, weighted]: [number[], number, number], where: string): void {
  assert.deepEqual(out.shape, shape, where);
  const flat = out.detach().double().flatten().tolist() as number[];
  const size = flat.reduce((a, x) => a + Math.abs(x), 1e-6);
  const near = (got: number, expected: number): boolean => Math.abs(got - expected) <= 2e-6 * size;
  const got = flat.reduce((a, x) => a + x, 0);
  const gotWeighted = flat.reduce((a, x, i) => a + (x * (((i * 5) % 17) - 8)) / 8, 0);
  assert.ok(near(got, sum) && near(gotWeighted, weighted), `${where}: ${[got, gotWeighted]} not ${[sum, weighted]}`);
}

for (const { name, cases } of golden.layers) {
  if (cases.every((c) => c.inputs === undefined)) continue;
  test(`output of nn.${name}`, () => {
    const Layer = layer(name) as new (...args: unknown[]) => torch.nn.Module & ((...x: unknown[]) => unknown);
    for (const { args, kwargs, inputs, outputs, repr } of cases) {
      if (inputs === undefined || outputs === undefined) continue;
      torch.manual_seed(7);
      const module = new Layer(...args, ...(Object.keys(kwargs).length > 0 ? [kwargs] : []));
      for (const mode of ["train", "eval"]) {
        const expected = outputs[mode] ?? outputs.train;
        torch.manual_seed(7);
        module.train(mode === "train");
        const out = module(...inputs.map(([kind, shape], i) => make(kind, shape, i)));
        const results = torch.is_tensor(out) ? [out] : (out as torch.Tensor[]);
        expected.forEach((e, i) => {
          assertOutput(results[i], e, `${repr} in ${mode}`);
        });
      }
    }
  });
}

for (const { name, parameters, positional, cases } of golden.layers) {
  test(`nn.${name}`, () => {
    const Layer = layer(name);
    for (const { args, kwargs, repr, state } of cases) {
      torch.manual_seed(7);
      const module = new Layer(...args, ...(Object.keys(kwargs).length > 0 ? [kwargs] : []));
      assert.equal(module.toString(), repr);
      const found = Object.entries(module.state_dict());
      assert.deepEqual(
        found.map(([key]) => key),
        Object.keys(state ?? {}),
      );
      for (const [key, tensor] of found) {
        const [dtype, shape, hash] = (state as NonNullable<Case["state"]>)[key];
        assert.equal(tensor.dtype.name, dtype, key);
        assert.deepEqual(tensor.shape, shape, key);
        // Normal numbers come from logarithms and cosines, which agree only up to rounding.
        if (!name.startsWith("Embedding")) assert.equal(digest(tensor), hash, `values of ${key} of ${repr}`);
      }
      // The same with all arguments by keyword.
      if (name !== "Identity" && args.length + Object.keys(kwargs).length > 0) {
        const named = Object.fromEntries(args.map((value, i) => [parameters[i], value]));
        assert.equal(new Layer({ ...named, ...kwargs }).toString(), repr, "by keyword");
      }
    }
    if (name === "Identity") return;
    const [{ args }] = cases;
    assert.throws(() => new Layer(...args, { no_such_option: 1 }), TypeError);
    const excess = new Array<unknown>(positional + 1 - args.length).fill(undefined);
    excess[excess.length - 1] = 1;
    // `device` and `dtype` may follow by position.
    if (excess.length > 0 && !("weight" in (cases[0].state ?? {})) && !parameters.includes("affine")) {
      assert.throws(() => new Layer(...args, ...excess), TypeError, "too many arguments");
    }
  });
}

test("wrong arguments", () => {
  const classes: Record<string, unknown> = {
    ValueError: torch.ValueError,
    TypeError,
    AssertionError: torch.ValueError,
  };
  for (const { name, args, kwargs, error, message } of golden.errors) {
    let thrown: unknown = null;
    try {
      new (layer(name))(...args, ...(Object.keys(kwargs).length > 0 ? [kwargs] : []));
    } catch (e) {
      thrown = e;
    }
    assert.ok(
      thrown instanceof (classes[error] as typeof Error),
      `${name}(${JSON.stringify([args, kwargs])}): ${thrown}`,
    );
    // Kindling's texts may say more.
    assert.ok(thrown.message.startsWith(message), `${thrown.message} | ${message}`);
  }
});

test("misspelled options name the near ones", () => {
  assert.throws(
    () => new torch.nn.Conv2d(1, 2, 3, { paddng: 1 } as object),
    /Conv2d\.__init__\(\) got an unexpected keyword argument 'paddng'; did you mean 'padding'\?/,
  );
  assert.throws(() => new torch.nn.Dropout({ P: 0.5 } as object), /did you mean 'p'/);
});

test("dtype and device", () => {
  const layers = [
    new torch.nn.Linear(2, 3, { dtype: torch.float64 }),
    new torch.nn.Conv2d(1, 2, 3, { dtype: torch.float64, device: "cpu" }),
    new torch.nn.BatchNorm2d(2, { dtype: torch.float64 }),
    new torch.nn.LayerNorm([2], { dtype: torch.float64 }),
    new torch.nn.Embedding(2, 3, { dtype: torch.float64 }),
  ];
  for (const module of layers) {
    for (const [name, t] of Object.entries(module.state_dict())) {
      assert.equal(t.dtype, name === "num_batches_tracked" ? torch.int64 : torch.float64);
    }
  }
  assert.throws(() => new torch.nn.Linear(2, 3, { device: "cuda" }));
});
