/**
 * Checkpoints that Kindling writes, for PyTorch to read:
 *
 *   node test/serialization/written.ts FOLDER && python3 tools/verify-checkpoints.py FOLDER
 *
 * All but `resume.pt` are the same bytes on every machine. PyTorch has verified those whose hashes are in
 * test/golden/checkpoints-verified.json, and torch-file-written.test.ts compares the hashes.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as torch from "../../src/index.ts";
import { goldenPath, network, train } from "./golden.ts";

const dtypes = [
  torch.bool,
  torch.uint8,
  torch.int8,
  torch.int16,
  torch.int32,
  torch.int64,
  torch.float16,
  torch.bfloat16,
  torch.float32,
  torch.float64,
];

function allDTypes(): Record<string, torch.Tensor> {
  const out: Record<string, torch.Tensor> = {};
  for (const dtype of dtypes) {
    const values = dtype.is_floating_point
      ? [0, -0, 1.5, -2.75, Infinity, -Infinity, NaN, 2 ** -14]
      : dtype === torch.bool
        ? [true, false, true]
        : [0, 1, torch.iinfo(dtype).max, torch.iinfo(dtype).min];
    out[String(dtype)] = torch.tensor(values as number[], { dtype });
  }
  out.scalar = torch.tensor(3.25);
  out.empty = torch.empty(0);
  out["empty with sizes"] = torch.empty(2, 0, 3, { dtype: torch.int64 });
  return out;
}

function views(): unknown {
  const base = torch.arange(24, { dtype: torch.float32 });
  const parameter = new torch.nn.Parameter(torch.tensor([1, 2], { dtype: torch.float32 }));
  return {
    base,
    transposed: base.view(2, 3, 4).transpose(0, 2),
    row: base.narrow(0, 5, 4),
    expanded: base.narrow(0, 5, 1).expand(2, 3),
    overlapping: base.as_strided([3, 3], [1, 1], 4),
    parameter,
    same_parameter: parameter,
    frozen: new torch.nn.Parameter(torch.ones(1), false),
    requires_grad: torch.ones(2).requires_grad_(),
  };
}

function values(): unknown {
  const shared = [1, 2];
  const proto = Object.defineProperty({}, "__proto__", { value: 1, enumerable: true });
  return {
    ints: [0, 1, 255, 256, 65535, 65536, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 2 ** 53 - 1, -(2 ** 53) + 1],
    big: [2n ** 53n, 2n ** 63n, -(2n ** 63n), 2n ** 64n - 1n, 10n ** 40n, -(10n ** 40n), 2n ** 2000n, -128n, -129n, 0n],
    floats: [0.1, -0, Infinity, -Infinity, NaN, 5e-324, Number.MAX_VALUE, 2 ** 60],
    texts: ["", "é", "日本", "😀", "\ud800", "a\0b", "x".repeat(300), "__proto__"],
    constants: [null, true, false],
    sets: [new Set([1, 2]), new Set(), new Set(["a"])],
    bytes: [new Uint8Array([97, 98, 255, 0]), new Uint8Array(0)],
    dtypes: [...dtypes],
    devices: [torch.device("cpu"), torch.device("cuda:1")],
    shared: [shared, shared],
    int_keys: { 0: "a", 3: "c", 7: "b" },
    digits: new Map([
      ["0", "a"],
      ["1", "b"],
    ]),
    mixed_keys: new Map<unknown, unknown>([
      ["0", 1],
      [0, 2],
      [-1, 3],
      [null, 4],
      [2n ** 60n, 5],
      [1.5, 6],
      [[0, 1], 7],
    ]),
    proto,
    long_list: Array.from({ length: 2500 }, (_, i) => i),
    many_keys: Object.fromEntries(Array.from({ length: 1300 }, (_, i) => [`k${i}`, i])),
    nested: [[[{ a: [] }]]],
  };
}

/** One step from exact numbers: no rounding, so the same state on every machine. */
function optimizerStates(): Record<string, unknown> {
  const makers = {
    sgd: (p: torch.Tensor[]) => new torch.optim.SGD(p, { lr: 1, momentum: 0.5 }),
    adam: (p: torch.Tensor[]) => new torch.optim.Adam(p, { lr: 0.5, betas: [0.5, 0.75], amsgrad: true }),
    adamw: (p: torch.Tensor[]) => new torch.optim.AdamW([{ params: [p[0]], lr: 0.25 }, { params: [p[1]] }]),
  };
  return Object.fromEntries(
    Object.entries(makers).map(([name, make]) => {
      const parameters = [new torch.nn.Parameter(torch.ones(2, 2)), new torch.nn.Parameter(torch.zeros(3))];
      const optimizer = make(parameters);
      for (const p of parameters) p.grad = torch.ones_like(p).mul(2);
      optimizer.step();
      return [name, optimizer.state_dict()];
    }),
  );
}

function schedulerStates(): Record<string, unknown> {
  const optimizer = new torch.optim.SGD([new torch.nn.Parameter(torch.ones(1))], { lr: 0.5 });
  const { MultiStepLR, StepLR } = torch.optim.lr_scheduler;
  return {
    multistep: new MultiStepLR(optimizer, [2, 5, 5]).state_dict(),
    step: new StepLR(optimizer, 3).state_dict(),
  };
}

/** What Kindling writes, by file name. */
export const written: Readonly<Record<string, () => unknown>> = {
  "dtypes.pt": allDTypes,
  "views.pt": views,
  "values.pt": values,
  "state-dict.pt": () => network().state_dict(),
  "list-keys.pt": () => new torch.nn.ParameterList([torch.ones(1), torch.zeros(2)]).state_dict(),
  "optimizers.pt": optimizerStates,
  "schedulers.pt": schedulerStates,
};

/** Steps 20 to 40 of the training that PyTorch began. */
async function resume(): Promise<unknown> {
  const saved = await torch.load<Record<string, never>>(goldenPath("resume.pt"));
  const model = network();
  model.load_state_dict(saved.model);
  const optimizer = new torch.optim.Adam(model.parameters(), { lr: 0.01 });
  optimizer.load_state_dict(saved.optimizer);
  train(model, optimizer, 20, 40);
  return { model: model.state_dict(), optimizer: optimizer.state_dict() };
}

async function main(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const [name, make] of Object.entries(written)) {
    writeFileSync(join(folder, name), torch.serialization.to_bytes(make()));
  }
  await torch.save(await resume(), join(folder, "resume.pt"));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main(process.argv[2] ?? ".");
