/**
 * Random programs of views, in-place changes and arithmetic (tools/golden-programs.py): values, gradients and refusals are
 * PyTorch's, and the memory that the engine gives back early is never memory that somebody still needs.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { withoutEarlyFrees } from "../../src/autograd/mode.ts";
import * as torch from "../../src/index.ts";

type Tensor = torch.Tensor;
type Instruction = [string, ...number[]];

interface Program {
  seed: number;
  program: Instruction[];
  /** For each value whether it requires a gradient. */
  flags: string;
  total?: number;
  grads?: (number[] | null)[];
  error?: "version" | "view";
}

const programs = JSON.parse(gunzipSync(readFileSync(join(import.meta.dirname, "programs.gz"))).toString()) as Program[];

/**
 * The ops that are no methods, or that count dimensions from the end. With `extra` = 1 tensors have one more dimension at
 * the end, which makes them larger and is not looked at.
 */
function special(name: string, x: Tensor, extra: number): Tensor | null {
  const last = -1 - extra;
  switch (name) {
    case "t":
      return x.dim() - extra < 2 ? x.view_as(x) : x.transpose(0, last);
    case "first_row":
      return x.select(0, 0);
    case "last_columns":
      return x.slice(last, 1);
    case "every_second":
      return x.slice(last, 0, null, 2);
    case "flat":
      return x.reshape(-1, ...x.shape.slice(x.dim() - extra));
    case "unsqueeze":
      return x.unsqueeze(0);
    case "expand":
      return x.unsqueeze(0).expand(2, ...x.shape);
    case "diagonal":
      return extra === 0 ? x.diagonal() : x.diagonal().transpose(-1, -2);
    case "sum0":
      return x.sum(0);
    case "sum":
      return x.dim() === extra ? x.mul(1) : x.sum(Array.from({ length: x.dim() - extra }, (_, d) => d));
    case "mean1":
      return x.mean(last, { keepdim: true });
    case "scale":
      return x.mul(0.5);
    case "scale_":
      return x.mul_(0.5);
    default:
      return null;
  }
}

function step([name, ...operands]: Instruction, values: readonly Tensor[], extra: number): Tensor {
  const [x, ...rest] = operands.map((i) => values[i]);
  const result = special(name, x, extra);
  if (result !== null) return result;
  const method = (x as unknown as Record<string, (...args: Tensor[]) => Tensor>)[name];
  return method.call(x, ...rest);
}

interface Outcome {
  flags: string;
  total: Tensor | null;
  values: Tensor[];
  grads: (Tensor | null)[];
  error: string | null;
}

function run({ seed, program }: Program, shape: number[]): Outcome {
  const base = torch.arange(shape.reduce((a, b) => a * b)).double();
  const leaves = [0, 1, 2].map((k) =>
    base
      .mul(k + 1)
      .add(seed)
      .sin()
      .reshape(shape)
      .detach()
      .requires_grad_(),
  );
  const values = [...leaves];
  let total: Tensor | null = null;
  let error: string | null = null;
  let flags = "";
  try {
    for (const instruction of program) values.push(step(instruction, values, shape.length - 2));
    flags = values.map((v) => (v.requires_grad ? "r" : "-")).join("");
    for (const [k, v] of values.entries()) {
      if (!v.requires_grad) continue;
      const term = v.mul(0.1 + 0.05 * k).sum();
      total = total === null ? term : total.add(term);
    }
    total?.backward();
  } catch (e) {
    if (!(e instanceof torch.RuntimeError || e instanceof torch.IndexError)) throw e;
    error = e.message.includes("modified by an inplace") ? "version" : e.message;
  }
  return { flags, total, values, grads: leaves.map((x) => x.grad), error };
}

function close(actual: number, expected: number): boolean {
  return Math.abs(actual - expected) <= 1e-9 + 1e-8 * Math.abs(expected);
}

test("values, gradients and refusals are PyTorch's", () => {
  for (const [n, program] of programs.entries()) {
    const where = `program ${n}: ${JSON.stringify(program.program)}`;
    const outcome = run(program, [2, 3]);
    assert.equal(outcome.flags, program.flags, where);
    assert.equal(outcome.error, program.error ?? null, where);
    if (program.error !== undefined) continue;
    const total = outcome.total?.item() as number;
    assert.ok(close(total, program.total as number), `${where}: ${total}, not ${program.total}`);
    program.grads?.forEach((expected, i) => {
      const grad = outcome.grads[i];
      const seen = grad === null ? null : (grad.flatten().tolist() as number[]);
      const same = expected === null ? seen === null : seen?.every((g, j) => close(g, expected[j]));
      assert.ok(same, `${where}: gradient ${i} is ${seen}, not ${expected}`);
    });
  }
});

/** The bits of a tensor, so that NaN equals NaN. */
function bits(t: Tensor | null): Buffer | null {
  if (t === null) return null;
  const array = t.detach().contiguous().typed_array();
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}

test("early frees change nothing", () => {
  let finished = 0;
  for (const [n, program] of programs.entries()) {
    // Large enough that storages have blocks of their own, which are used again at once.
    const quick = run(program, [2, 3, 100]);
    const slow = withoutEarlyFrees(() => run(program, [2, 3, 100]));
    const where = `program ${n}: ${JSON.stringify(program.program)}`;
    if (quick.error === null) finished++;
    assert.equal(quick.error, slow.error, where);
    for (const [i, grad] of quick.grads.entries()) assert.deepEqual(bits(grad), bits(slow.grads[i]), where);
    // What the user holds is intact after backward, too.
    for (const [i, value] of quick.values.entries()) assert.deepEqual(bits(value), bits(slow.values[i]), where);
  }
  assert.ok(finished > 150, `only ${finished} programs have gradients`);
});
