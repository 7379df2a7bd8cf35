/** Runs the golden samples of an op against Kindling, in every form that PyTorch has for them. */
import type { Check, Difference, Tolerance } from "./compare.ts";
import { compareResult, compareTensor, describe, similarMessage, unchanged } from "./compare.ts";
import type { GoldenOp, GoldenTensor, Sample } from "./golden.ts";
import { elements, isTensor } from "./golden.ts";
import { knownFailures } from "./known-failures.ts";
import type { Api, Call, Namespace, TensorLike } from "./target.ts";
import {
  callMethod,
  callTarget,
  hasTarget,
  isTensorLike,
  makeCall,
  publicName,
  upstreamGradient,
  valuesOf,
} from "./target.ts";

export interface Failure extends Difference {
  sample: Sample;
  /** What was thrown, where something was. */
  cause?: unknown;
}

export interface OpReport {
  op: string;
  extra: boolean;
  /** The public name that Kindling lacks. */
  missing?: string;
  samples: number;
  passed: number;
  /** Samples whose whole float argument JavaScript cannot tell from an int. */
  skipped: number;
  known: number;
  /** Checks that were made: a sample is checked as a function, a method, in place, … */
  checks: number;
  failures: Failure[];
  notes: Failure[];
  stale: string[];
}

export interface WalkOptions {
  /** Only samples whose id contains this. */
  sample?: string;
  /** Only samples of this dtype ("error" for error inputs). */
  dtype?: string;
  only?: Check;
}

const DEFAULT: [number, number] = [0, 0];

function tolerances(golden: GoldenOp, errors: (number | null)[] | undefined) {
  return (dtype: string, index: number): Tolerance => {
    const [rtol, atol] = golden.tolerance[dtype] ?? DEFAULT;
    return { rtol, atol, err: errors && index >= 0 ? errors[index] : undefined };
  };
}

/** Reads the storage past its input: neither a strided copy nor the input's own elements say anything about it. */
const READS_STORAGE = "torch.as_strided";

const leaf = (fn: string): string => fn.slice(fn.indexOf(".") + 1);

/** Runs one sample in all its forms; every difference is a failure or a note. */
export function walkSample(api: Api, golden: GoldenOp, sample: Sample): { found: Failure[]; checks: number } {
  const { blob } = golden;
  const found: Failure[] = [];
  let checks = 0;
  const add = (differences: Difference[], check?: Check): boolean => {
    for (const d of differences) {
      const named = check && d.check !== check ? { ...d, check, message: `${d.check}: ${d.message}` } : d;
      found.push({ ...named, sample });
    }
    return differences.every((d) => d.note);
  };
  /** Runs one form; what it throws is a failure of `check`. */
  const attempt = (check: Check, body: () => void): boolean => {
    checks++;
    const before = found.length;
    try {
      body();
    } catch (error) {
      const { name, message } = error as Error;
      found.push({ check, message: `throws ${name}: ${String(message).split("\n")[0]}`, sample, cause: error });
    }
    return found.slice(before).every((f) => f.note);
  };
  const seeded = <T>(body: () => T): T => {
    if (sample.seed !== undefined) (api.torch.manual_seed as (s: number) => unknown)(sample.seed);
    return body();
  };

  if (sample.error) {
    attempt("error", () => expectError(api, sample, blob, add));
    return { found, checks };
  }

  const expected = sample.out ?? null;
  const compare = (got: unknown): Difference[] =>
    looseTies(api, sample, blob, got, compareResult(api, got, expected, blob, tolerances(golden, sample.err)));

  let call: Call | undefined;
  const plain = attempt("throws", () => {
    call = makeCall(api, sample, blob);
    const made = call;
    const result = seeded(() => callTarget(api, sample.fn, made.args, made.kwargs));
    add(compare(result));
    if (sample.names) add(compareNames(result, sample.names));
    if (!sample.fn.endsWith("_")) {
      made.tensors.forEach(({ made: input, golden: recorded }, i) => {
        const after = sample.after?.find(([number]) => number === i)?.[1];
        if (after) {
          const [rtol, atol] = golden.tolerance[after.t] ?? DEFAULT;
          const differences = compareTensor(api, input, after, blob, { rtol, atol });
          add(differences.map((d) => ({ ...d, message: `input ${i} after the call: ${d.message}` })));
        } else if (!unchanged(api, input, recorded, blob)) {
          add([{ check: "value", message: `input ${i} was changed` }]);
        }
      });
    }
    if (sample.view && sample.fn !== READS_STORAGE) add(checkViews(api, sample, made, result));
  });
  // The other forms would only repeat the failure.
  if (!plain) return { found, checks };

  if (sample.grads) {
    const { grads } = sample;
    attempt("grad", () => {
      const graded = makeCall(api, sample, blob, { grad: true });
      const result = seeded(() => callTarget(api, sample.fn, graded.args, graded.kwargs));
      add(compareGradients(api, golden, sample, graded, result, grads), "grad");
    });
  }
  const name = leaf(sample.fn);
  if (sample.method) {
    attempt("method", () => {
      const { args, kwargs } = makeCall(api, sample, blob);
      add(compare(callMethod(args[0], name, args.slice(1), kwargs)), "method");
    });
  }
  if (sample.inplace === true) {
    attempt("inplace", () => {
      const { args, kwargs } = makeCall(api, sample, blob);
      const result = callMethod(args[0], `${name}_`, args.slice(1), kwargs);
      if (result !== args[0]) add([{ check: "inplace", message: `${name}_ does not return its tensor` }]);
      add(compare(args[0]), "inplace");
    });
  } else if (sample.inplace) {
    const wanted = sample.inplace;
    attempt("inplace", () => {
      const { args, kwargs, tensors } = makeCall(api, sample, blob);
      if (typeof (args[0] as Namespace)[`${name}_`] !== "function") throw new TypeError(`Tensor.${name}_ is missing`);
      try {
        callMethod(args[0], `${name}_`, args.slice(1), kwargs);
      } catch (error) {
        if (!sameClass(error, wanted)) {
          add([
            {
              check: "inplace",
              message: `${name}_ throws ${(error as Error).name}, expected ${wanted}: ${(error as Error).message}`,
            },
          ]);
        } else if (!unchanged(api, tensors[0].made, tensors[0].golden, blob)) {
          add([{ check: "inplace", message: `${name}_ throws ${wanted} but has changed its tensor` }]);
        }
        return;
      }
      add([{ check: "inplace", message: `${name}_ should throw ${wanted}` }]);
    });
  }
  if (sample.outok) attempt("out", () => add(checkOut(api, sample, blob, compare), "out"));
  if (sample.strided && sample.fn !== READS_STORAGE) {
    attempt("strided", () => {
      const strided = makeCall(api, sample, blob, { strided: true });
      add(compare(seeded(() => callTarget(api, sample.fn, strided.args, strided.kwargs))), "strided");
    });
  }
  return { found, checks };
}

/** Kindling's own NotImplementedError is never taken for the RuntimeError that PyTorch raises. */
function sameClass(error: unknown, wanted: string): boolean {
  const { name } = error as Error;
  return name === wanted || (wanted === "NotImplementedError" && name === "RuntimeError");
}

function expectError(api: Api, sample: Sample, blob: Uint8Array, add: (d: Difference[]) => void): void {
  const wanted = sample.error as { class: string; message: string };
  const text = `${wanted.class} (${wanted.message})`;
  const { args, kwargs, tensors } = makeCall(api, sample, blob);
  try {
    const result = callTarget(api, sample.fn, args, kwargs);
    add([{ check: "error", message: `gives ${describe(result)}, expected ${text}` }]);
  } catch (error) {
    const { name, message } = error as Error;
    if (!sameClass(error, wanted.class)) {
      add([{ check: "error", message: `throws ${name} (${message.split("\n")[0]}), expected ${text}` }]);
      return;
    }
    if (!similarMessage(message, wanted.message)) {
      add([
        { check: "error", message: `says "${message.split("\n")[0]}", PyTorch says "${wanted.message}"`, note: true },
      ]);
    }
  }
  if (sample.fn.endsWith("_")) return;
  for (const { made, golden } of tensors) {
    if (!unchanged(api, made, golden, blob))
      add([{ check: "error", message: "the failing call has changed an input" }]);
  }
}

function compareGradients(
  api: Api,
  golden: GoldenOp,
  sample: Sample,
  call: Call,
  result: unknown,
  expected: (GoldenTensor | null)[],
): Difference[] {
  const outs = (isTensorLike(result) ? [result] : Array.from(result as ArrayLike<unknown>)) as unknown[];
  const wanted = outs.map((o, i) => ({ o, i })).filter(({ o }) => isTensorLike(o) && o.requires_grad);
  if (wanted.length === 0) return [{ check: "grad", message: "no result requires a gradient" }];
  const inputs = call.tensors.filter((t) => t.golden.grad).map((t) => t.made);
  const { grad } = api.torch.autograd as { grad: (o: unknown, i: unknown, k: unknown) => ArrayLike<unknown> };
  const got = grad(
    wanted.map(({ o }) => o),
    inputs,
    { grad_outputs: wanted.map(({ o, i }) => upstreamGradient(api, o as TensorLike, i)), allow_unused: true },
  );
  return expected.flatMap((e, i) => {
    const where = expected.length > 1 ? `of input ${i}: ` : "";
    const found: Difference[] =
      e === null
        ? got[i] === null || got[i] === undefined
          ? []
          : [{ check: "grad", message: `got ${describe(got[i])}, expected none` }]
        : compareTensor(api, got[i], e, golden.blob, {
            rtol: golden.tolerance[e.t][0],
            atol: golden.tolerance[e.t][1],
            err: sample.gerr?.[i],
          });
    return found.map((d) => ({ ...d, message: where + d.message }));
  });
}

function compareNames(result: unknown, names: string[]): Difference[] {
  const list = result as ArrayLike<unknown> & Namespace;
  return names.flatMap((name, i) =>
    list[name] === list[i] ? [] : [{ check: "type", message: `result.${name} is not result[${i}]` } as Difference],
  );
}

/** A view has PyTorch's strides and shares memory: what is written into it shows in the first input. */
function checkViews(api: Api, sample: Sample, call: Call, result: unknown): Difference[] {
  const expected = Array.isArray(sample.out) ? sample.out : [sample.out];
  const outs = (isTensorLike(result) ? [result] : Array.from(result as ArrayLike<unknown>)) as TensorLike[];
  const found: Difference[] = [];
  for (const i of sample.view ?? []) {
    const recorded = expected[i];
    if (recorded === undefined || !isTensor(recorded)) continue;
    const strides = outs[i].stride();
    const wanted = recorded.view_strides ?? [];
    if (recorded.shape.some((size, d) => size > 1 && strides[d] !== wanted[d])) {
      found.push({
        check: "view",
        message: `result ${i} has strides [${strides.join(", ")}], expected [${wanted.join(", ")}]`,
      });
    }
  }
  const first = (sample.view ?? [0])[0];
  const recorded = expected[first];
  const input = call.tensors[0];
  if (recorded === undefined || !isTensor(recorded) || outs[first] === (input.made as unknown)) return found;
  // A write through overlapping elements is an error.
  if (recorded.shape.some((size, d) => size > 1 && (recorded.view_strides ?? [])[d] === 0)) return found;
  if (input.golden.shape.some((size, d) => size > 1 && input.golden.strides?.[d] === 0)) return found;
  const before = valuesOf(api, input.made);
  const seen = valuesOf(api, outs[first]);
  const value = Number(seen[0]) === 1 ? 0 : 1;
  outs[first].fill_(value);
  const after = valuesOf(api, input.made);
  let changed = false;
  for (let k = 0; k < before.length; k++) changed ||= !Object.is(before[k], after[k]);
  if (!changed) found.push({ check: "view", message: `result ${first} does not share memory with the input` });
  return found;
}

function checkOut(api: Api, sample: Sample, blob: Uint8Array, compare: (got: unknown) => Difference[]): Difference[] {
  const { args, kwargs } = makeCall(api, sample, blob);
  const room = (golden: unknown): unknown => {
    const { shape, t } = golden as GoldenTensor;
    return (api.torch.empty as (...a: unknown[]) => unknown)(shape, { dtype: api.torch[t] });
  };
  const out = Array.isArray(sample.out) ? sample.out.map(room) : room(sample.out);
  const result = callTarget(api, sample.fn, args, { ...kwargs, out });
  const found = compare(out);
  const same = Array.isArray(out) ? out.every((o, i) => (result as ArrayLike<unknown>)[i] === o) : result === out;
  if (!same) found.push({ check: "out", message: "the result is not the tensor given as out" });
  return found;
}

/** Ops that choose among equal values in their own way. */
const TIES = /\.(topk|kthvalue|median|nanmedian|mode)$/;

/**
 * Among equal values the index is the implementation's choice (`ties`): an index that differs is accepted where it leads
 * to the same value.
 */
function looseTies(api: Api, sample: Sample, blob: Uint8Array, got: unknown, found: Difference[]): Difference[] {
  const wrong = found.filter((d) => !d.note);
  const free = sample.ties || TIES.test(sample.fn);
  if (!free || wrong.length === 0 || !wrong.every((d) => d.check === "value")) return found;
  if (!Array.isArray(sample.out) || sample.out.length !== 2) return found;
  const [values, indices] = sample.out;
  if (!isTensor(values) || !isTensor(indices) || wrong.some((d) => !d.message.startsWith("result [1]"))) return found;
  const input = sample.args[0];
  if (!isTensor(input) || input.shape.length === 0) return found;
  // topk and kthvalue take a number before the dimension.
  const given = sample.kwargs.dim ?? sample.args[/\.(topk|kthvalue)$/.test(sample.fn) ? 2 : 1] ?? -1;
  const dim = ((typeof given === "number" ? given : -1) + input.shape.length) % input.shape.length;
  const source = elements(input, blob);
  const index = valuesOf(api, (got as ArrayLike<TensorLike>)[1]);
  const picked = elements(values, blob);
  const length = input.shape[dim];
  const inner = input.shape.slice(dim + 1).reduce((a, b) => a * b, 1);
  const width = picked.length / (source.length / length / inner) / inner;
  for (let i = 0; i < picked.length; i++) {
    const outer = Math.floor(i / (width * inner));
    const value = source[(outer * length + Number(index[i])) * inner + (i % inner)];
    if (!(value === picked[i] || (Number.isNaN(Number(value)) && Number.isNaN(Number(picked[i]))))) return found;
  }
  return [];
}

/** Walks all samples of an op. */
export function walkOp(api: Api, golden: GoldenOp, options: WalkOptions = {}): OpReport {
  const chosen = golden.samples.filter(
    (s) =>
      (!options.sample || s.id.includes(options.sample)) && (!options.dtype || s.id.startsWith(`${options.dtype}:`)),
  );
  const report: OpReport = {
    op: golden.op,
    extra: golden.extra,
    samples: chosen.length,
    passed: 0,
    skipped: 0,
    known: 0,
    checks: 0,
    failures: [],
    notes: [],
    stale: [],
  };
  const absent = [...new Set(golden.samples.map((s) => s.fn))].find((fn) => !hasTarget(api, fn));
  const present = golden.samples.some((s) => hasTarget(api, s.fn));
  if (absent && !present) {
    report.missing = publicName(absent);
    return report;
  }
  const known = knownFailures.filter((k) => k.op === golden.op);
  for (const sample of chosen) {
    if (sample.whole) {
      report.skipped++;
      continue;
    }
    const { found, checks } = walkSample(api, golden, sample);
    report.checks += checks;
    const failed = found.filter((f) => !f.note && (!options.only || f.check === options.only));
    report.notes.push(...found.filter((f) => f.note));
    const excuse = known.find((k) => k.sample === sample.id || k.sample === "*");
    if (failed.length === 0) {
      report.passed++;
      if (excuse && excuse.sample !== "*") report.stale.push(sample.id);
    } else if (excuse) {
      report.known++;
    } else report.failures.push(...failed);
  }
  if (!options.sample && !options.dtype && chosen.length > 0) {
    for (const alias of golden.aliases) {
      const functional = alias.startsWith("nn.functional.");
      const name = functional ? alias.slice("nn.functional.".length) : alias;
      const space = functional ? api.functional : name in api.torch ? api.torch : api.prototype;
      if (typeof space[name] !== "function" && !known.some((k) => k.sample === `alias:${name}`)) {
        const message = `the alias torch.${alias} is missing`;
        report.failures.push({ check: "alias", message, sample: chosen[0] });
      }
    }
  }
  return report;
}
