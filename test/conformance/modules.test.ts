/** Modules and initializers from a seed: weights, output, gradients, state and printing as PyTorch's (tools/golden-optim.py). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { compareResult, compareTensor } from "./compare.ts";
import type { Options } from "./decode.ts";
import { decodeOptions, decodeValue, fresh } from "./decode.ts";
import type { Golden, GoldenTensor } from "./golden.ts";
import { isTensor, loadGolden } from "./golden.ts";
import type { Api, Namespace, TensorLike } from "./target.ts";
import { isTensorLike, loadApi, upstreamGradient } from "./target.ts";

interface ModuleCase {
  id: string;
  module: string;
  args: Golden[] | string;
  kwargs: Options;
  seed: number;
  repr: string;
  init: Record<string, GoldenTensor>;
  loaded?: Record<string, GoldenTensor>;
  eval?: true;
  /** No parameter requires a gradient. */
  frozen?: true;
  inputs: GoldenTensor[];
  /** Keyword arguments of the call. */
  call?: Options;
  /** How often the inputs are passed. */
  repeat?: number;
  out: Golden;
  grads?: Record<string, GoldenTensor>;
  input_grads?: GoldenTensor[];
  after: Record<string, GoldenTensor>;
}

interface InitCase {
  id: string;
  function: string;
  shape: number[];
  kwargs: Options;
  seed: number;
  out: GoldenTensor;
}

interface ModuleLike {
  (...inputs: unknown[]): unknown;
  eval(): unknown;
  requires_grad_(on: boolean): unknown;
  state_dict(): Iterable<[string, unknown]> | Namespace;
  load_state_dict(state: unknown): unknown;
  named_parameters(): Iterable<[string, TensorLike]>;
}

const golden = loadGolden<{ cases: ModuleCase[]; init: InitCase[] }>(
  fileURLToPath(new URL("../golden/modules.gz", import.meta.url)),
);
const { blob } = golden;

/** Initial values agree to the bit, up to 2 ulp where a logarithm or cosine enters. */
const EXACT = { rtol: 2.4e-7, atol: 0 };
const CLOSE = { rtol: 1e-5, atol: 1e-5 };
/** Gradients of a stack of layer norms over four values are sums of terms near 10: PyTorch's are 1.6e-5 from float64. */
const DEEP = { rtol: 1e-5, atol: 4e-5 };

function isWholeFloat(value: Golden): boolean {
  return typeof value === "object" && value !== null && "float" in value && Number.isInteger(value.float);
}

type Constructor = new (...args: unknown[]) => ModuleLike;

function build(nn: Record<string, Constructor>, c: ModuleCase, api: Api): ModuleLike {
  const make = (name: string, ...args: unknown[]): ModuleLike => {
    assert.ok(typeof nn[name] === "function", `nn.${name} is missing`);
    return new nn[name](...args);
  };
  if (c.args === "mlp") return make("Sequential", make("Linear", 4, 6), make("Tanh"), make("Linear", 6, 3));
  if (c.args === "cnn") {
    const layers = [
      make("Conv2d", 1, 2, 3, { padding: 1 }),
      make("BatchNorm2d", 2),
      make("ReLU"),
      make("MaxPool2d", 2),
    ];
    return make("Sequential", ...layers, make("Flatten"), make("Linear", 32, 3));
  }
  if (c.args === "encoder" || c.args === "decoder") {
    const layer = c.args === "encoder" ? "TransformerEncoderLayer" : "TransformerDecoderLayer";
    return make(c.module, make(layer, 4, 2, decodeOptions(api, c.kwargs, blob)), 2, make("LayerNorm", 4));
  }
  const args = (c.args as Golden[]).map((a) => decodeValue(api, a, blob));
  const kwargs = decodeOptions(api, c.kwargs, blob);
  return make(c.module, ...args, ...(Object.keys(kwargs).length > 0 ? [kwargs] : []));
}

function entries(state: Iterable<[string, unknown]> | Namespace): Map<string, unknown> {
  return new Map(Symbol.iterator in state ? (state as Iterable<[string, unknown]>) : Object.entries(state));
}

function assertTensor(api: Api, got: unknown, expected: GoldenTensor, tolerance: typeof CLOSE, where: string): void {
  const found = compareTensor(api, got, expected, blob, tolerance).filter((d) => !d.note);
  assert.equal(found.length, 0, `${where}: ${found[0]?.message}`);
}

function assertState(
  api: Api,
  got: ModuleLike,
  expected: Record<string, GoldenTensor>,
  tolerance: typeof CLOSE,
  when: string,
): void {
  const state = entries(got.state_dict());
  assert.deepEqual([...state.keys()], Object.keys(expected), `keys of state_dict ${when}`);
  for (const [name, tensor] of Object.entries(expected))
    assertTensor(api, state.get(name), tensor, tolerance, `${name} ${when}`);
}

for (const c of golden.cases) {
  const shown = Object.entries(c.kwargs).map(([k, v]) => `${k}=${isTensor(v) ? "tensor" : JSON.stringify(v)}`);
  test(`nn.${c.id} ${shown.join(" ")}`, async () => {
    const api = await loadApi();
    const seed = api.torch.manual_seed as (s: number) => void;
    const nn = api.torch.nn as Record<string, Constructor> | undefined;
    assert.ok(nn, "torch.nn is missing");
    seed(c.seed);
    const module = build(nn, c, api);
    assertState(api, module, c.init, EXACT, "after construction");
    // A whole number is an int here, so that the text of Python's 1.0 is not to be had.
    const options = Object.values(c.kwargs);
    if (!options.some((v) => isTensor(v) || isWholeFloat(v))) assert.equal(String(module), c.repr);
    if (c.loaded) {
      module.load_state_dict(Object.fromEntries(Object.entries(c.loaded).map(([k, v]) => [k, fresh(api, v, blob)])));
    }
    if (c.eval) module.eval();
    if (c.frozen) module.requires_grad_(false);
    const inputs = c.inputs.map((i) => decodeValue(api, i, blob) as TensorLike);
    const given = new Array(c.repeat ?? 1).fill(inputs).flat();
    const call = c.call ? [decodeOptions(api, c.call, blob)] : [];
    seed(c.seed);
    const out = module(...given, ...call);
    const found = compareResult(api, out, c.out, blob, () => CLOSE).filter((d) => !d.note);
    assert.equal(found.length, 0, `output: ${found[0]?.message}`);
    if (c.grads) {
      const first = (isTensorLike(out) ? out : (out as TensorLike[])[0]) as TensorLike;
      const wanted = inputs.filter((i) => i.requires_grad);
      const named = [...module.named_parameters()];
      const { grad } = api.torch.autograd as { grad: (o: unknown, i: unknown, k: unknown) => ArrayLike<unknown> };
      const tolerance = c.module.startsWith("Transformer") ? DEEP : CLOSE;
      const all = [...wanted, ...named.map(([, p]) => p)];
      const got = grad(first, all, { grad_outputs: upstreamGradient(api, first, 0) });
      c.input_grads?.forEach((g, i) => {
        assertTensor(api, got[i], g, tolerance, `gradient of input ${i}`);
      });
      named.forEach(([name], i) => {
        assertTensor(
          api,
          got[wanted.length + i],
          (c.grads as Record<string, GoldenTensor>)[name],
          tolerance,
          `gradient of ${name}`,
        );
      });
    }
    assertState(api, module, c.after, CLOSE, "after the call");
  });
}

for (const c of golden.init) {
  test(`nn.init.${c.id}`, async () => {
    const api = await loadApi();
    const init = (api.torch.nn as Namespace | undefined)?.init as
      | Record<string, (...a: unknown[]) => unknown>
      | undefined;
    assert.ok(typeof init?.[c.function] === "function", `nn.init.${c.function} is missing`);
    (api.torch.manual_seed as (s: number) => void)(c.seed);
    const tensor = (api.torch.empty as (shape: number[]) => TensorLike)(c.shape);
    const kwargs = decodeOptions(api, c.kwargs, blob);
    const out = init[c.function](tensor, ...(Object.keys(kwargs).length > 0 ? [kwargs] : []));
    assert.equal(out, tensor);
    const loose = c.function === "orthogonal_" ? CLOSE : { rtol: 1e-6, atol: 1e-7 };
    assertTensor(api, out, c.out, loose, c.id);
  });
}
