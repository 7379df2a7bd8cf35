/** Optimizers step by step, and the learning rates of the schedulers, against PyTorch's (tools/golden-optim.py). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { compareTensor } from "./compare.ts";
import type { Options } from "./decode.ts";
import { decodeOptions, decodeValue, fresh } from "./decode.ts";
import type { Golden, GoldenTensor } from "./golden.ts";
import { isTensor, loadGolden } from "./golden.ts";
import type { Api, Namespace, TensorLike } from "./target.ts";
import { floatValue, loadApi } from "./target.ts";

interface OptimizerCase {
  id: string;
  optimizer: string;
  dtype: string;
  options: Options;
  groups: (Options & { params: number[] })[] | null;
  params: GoldenTensor[];
  grads: (GoldenTensor | null)[][];
  after: GoldenTensor[][];
  state_dict: Options;
}

interface SchedulerCase {
  id: string;
  optimizer: [string, Options];
  lrs: number[];
  scheduler: string;
  kwargs: Record<string, Golden | { lambda: string } | { lambda: string }[]>;
  parts?: [string, Options][];
  metrics?: number[];
  steps: { lr: number[]; momentum?: number[] }[];
  last_lr: number[];
}

interface Optimizer {
  step(): unknown;
  param_groups: Namespace[];
  state_dict(): Namespace;
}

interface Scheduler {
  step(metric?: number): void;
  get_last_lr(): number[];
}

const golden = <T>(name: string): T & { blob: Uint8Array } =>
  loadGolden<T>(fileURLToPath(new URL(`../golden/${name}.gz`, import.meta.url)));

const make = (space: unknown, name: string, ...args: unknown[]): unknown => {
  const type = (space as Namespace | undefined)?.[name];
  assert.ok(typeof type === "function", `${name} is missing`);
  return new (type as new (...a: unknown[]) => unknown)(...args);
};

/** Every tensor and number of a state that PyTorch has must be there with the same value. */
function compareState(api: Api, got: unknown, expected: Golden, blob: Uint8Array, where: string): void {
  if (isTensor(expected)) {
    // PyTorch keeps the step count in a tensor; a number serves as well.
    if (typeof got === "number" && expected.shape.length === 0) {
      const value = decodeValue(api, expected, blob) as { item(): number };
      assert.equal(got, value.item(), where);
      return;
    }
    const close = { rtol: expected.t === "float64" ? 1e-12 : 2e-5, atol: expected.t === "float64" ? 1e-14 : 1e-6 };
    assert.deepEqual(
      compareTensor(api, got, expected, blob, close).filter((d) => !d.note),
      [],
      where,
    );
    return;
  }
  if (Array.isArray(expected)) {
    const list = got as ArrayLike<unknown>;
    assert.equal(list?.length, expected.length, `${where}: length`);
    expected.forEach((e, i) => {
      compareState(api, list[i], e, blob, `${where}[${i}]`);
    });
  } else if (typeof expected === "object" && expected !== null && expected.dict) {
    for (const [key, e] of Object.entries(expected.dict)) {
      // Switches of PyTorch's own implementations.
      if (["foreach", "fused", "capturable", "differentiable", "decoupled_weight_decay"].includes(key)) continue;
      const found = (got as Namespace | undefined)?.[key];
      assert.ok(e === null || found !== undefined, `${where}.${key} is missing`);
      compareState(api, found ?? null, e, blob, `${where}.${key}`);
    }
  } else {
    const value = decodeValue(api, expected, blob);
    if (typeof value === "number")
      assert.ok(Math.abs(Number(got) - value) <= 1e-12 * Math.abs(value), `${where}: ${String(got)} ≠ ${value}`);
    else assert.deepEqual(got, value, where);
  }
}

const optimizers = golden<{ cases: OptimizerCase[] }>("optim");

for (const name of new Set(optimizers.cases.map((c) => c.optimizer))) {
  test(`${name} moves the parameters as PyTorch's`, async (t) => {
    const api = await loadApi();
    const { blob } = optimizers;
    for (const c of optimizers.cases.filter((x) => x.optimizer === name)) {
      await t.test(c.id, () => {
        const params = c.params.map((p) => fresh(api, p, blob).requires_grad_());
        const groups = c.groups?.map(({ params: numbers, ...options }) => ({
          ...decodeOptions(api, options as Options, blob),
          params: numbers.map((i) => params[i]),
        }));
        const options = decodeOptions(api, c.options, blob);
        const optimizer = make(api.torch.optim, name, groups ?? params, options) as Optimizer;
        c.grads.forEach((grads, step) => {
          params.forEach((p, i) => {
            const g = grads[i];
            (p as unknown as { grad: TensorLike | null }).grad = g ? fresh(api, g, blob) : null;
          });
          optimizer.step();
          c.after[step].forEach((expected, i) => {
            const close = c.dtype === "float64" ? { rtol: 1e-12, atol: 1e-13 } : { rtol: 1e-5, atol: 2e-6 };
            const found = compareTensor(api, params[i], expected, blob, close).filter((d) => !d.note);
            assert.equal(found.length, 0, `step ${step}, parameter ${i}: ${found[0]?.message}`);
          });
        });
        compareState(api, optimizer.state_dict(), { dict: c.state_dict }, blob, "state_dict");
      });
    }
  });
}

const schedulers = golden<{ cases: SchedulerCase[] }>("schedulers");

const lambdas: Record<string, (epoch: number) => number> = {
  power: (epoch) => 0.95 ** epoch,
  steps: (epoch) => 0.5 ** Math.floor(epoch / 3),
  linear: (epoch) => 1 / (1 + epoch),
};

function schedulerOption(api: Api, value: SchedulerCase["kwargs"][string]): unknown {
  if (Array.isArray(value)) return value.map((v) => schedulerOption(api, v as SchedulerCase["kwargs"][string]));
  if (typeof value === "object" && value !== null && "lambda" in value) return lambdas[value.lambda];
  if (typeof value === "object" && value !== null && "float" in value) return floatValue(value.float ?? 0);
  return decodeValue(api, value as Golden, schedulers.blob);
}

for (const c of schedulers.cases) {
  test(`scheduler ${c.id}`, async () => {
    const api = await loadApi();
    const { torch } = api;
    const [name, options] = c.optimizer;
    const ones = torch.ones as (shape: number[]) => TensorLike;
    const groups = c.lrs.map((lr, i) => ({ params: [ones([i + 2]).requires_grad_()], lr }));
    const optimizer = make(torch.optim, name, groups, decodeOptions(api, options, schedulers.blob)) as Optimizer;
    const space = (torch.optim as Namespace).lr_scheduler;
    const kwargs = Object.fromEntries(Object.entries(c.kwargs).map(([k, v]) => [k, schedulerOption(api, v)]));
    const parts = c.parts?.map(([part, o]) => make(space, part, optimizer, decodeOptions(api, o, schedulers.blob)));
    const scheduler = (
      parts === undefined
        ? make(space, c.scheduler, optimizer, kwargs)
        : c.scheduler === "ChainedScheduler"
          ? make(space, c.scheduler, parts)
          : make(space, c.scheduler, optimizer, parts, kwargs)
    ) as Scheduler;
    const close = (got: unknown, expected: number, where: string): void => {
      assert.ok(
        Math.abs(Number(got) - expected) <= 1e-9 * Math.abs(expected) + 1e-15,
        `${where}: ${String(got)} ≠ ${expected}`,
      );
    };
    c.steps.forEach((expected, step) => {
      if (step > 0) {
        optimizer.step();
        if (c.metrics) scheduler.step(c.metrics[step - 1]);
        else scheduler.step();
      }
      expected.lr.forEach((lr, g) => {
        const group = optimizer.param_groups[g];
        close(group.lr, lr, `lr of group ${g} after step ${step}`);
        const momentum = "momentum" in group ? group.momentum : (group.betas as number[] | undefined)?.[0];
        if (expected.momentum) close(momentum, expected.momentum[g], `momentum of group ${g} after step ${step}`);
      });
    });
    c.last_lr.forEach((lr, g) => {
      close(scheduler.get_last_lr()[g], lr, `get_last_lr()[${g}]`);
    });
  });
}
