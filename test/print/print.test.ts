/** Compares printed tensors, numbers and values, to the character, with what PyTorch and Python print (golden.json). */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, test } from "node:test";
import * as dtypes from "../../src/dtype.ts";
import { ValueError } from "../../src/errors.ts";
import {
  formatExponent,
  formatFixed,
  formatFloat,
  get_printoptions,
  type PrintableTensor,
  type PrintOptionsUpdate,
  printoptions,
  pythonFloat,
  pythonRepr,
  set_printoptions,
  sizeToString,
  tensorToString,
} from "../../src/print/index.ts";

interface TensorCase {
  dtype: dtypes.DTypeName;
  shape: number[];
  data: string;
  text: string;
  options?: Record<string, unknown>;
  default_dtype?: dtypes.DTypeName;
  requires_grad?: boolean;
  grad_fn_name?: string;
  is_parameter?: boolean;
}

interface Golden {
  tensors: TensorCase[];
  numbers: [bits: string, decimals: number, fixed: string, exponent: string, repr: string][];
  strings: [text: string, repr: string][];
}

const golden: Golden = JSON.parse(readFileSync(new URL("golden.json", import.meta.url), "utf8"));

const dtypeNamed = new Map(dtypes.dtypes.map((dtype) => [dtype.name, dtype]));

function namedDType(name: dtypes.DTypeName): dtypes.DType {
  return dtypeNamed.get(name) ?? assert.fail(name);
}

function readHalf(bits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

function reader(dtype: dtypes.DTypeName, data: string): { count: number; at(i: number): number | bigint | boolean } {
  const bytes = new Uint8Array(Buffer.from(data, "base64"));
  const view = new DataView(bytes.buffer);
  const widened = new DataView(new ArrayBuffer(4));
  const readers: Record<dtypes.DTypeName, (i: number) => number | bigint | boolean> = {
    bool: (i) => view.getUint8(i) !== 0,
    uint8: (i) => view.getUint8(i),
    int8: (i) => view.getInt8(i),
    int16: (i) => view.getInt16(2 * i, true),
    int32: (i) => view.getInt32(4 * i, true),
    int64: (i) => view.getBigInt64(8 * i, true),
    float16: (i) => readHalf(view.getUint16(2 * i, true)),
    bfloat16: (i) => {
      widened.setUint16(0, view.getUint16(2 * i, true));
      return widened.getFloat32(0);
    },
    float32: (i) => view.getFloat32(4 * i, true),
    float64: (i) => view.getFloat64(8 * i, true),
  };
  return { count: bytes.length / namedDType(dtype).itemsize, at: readers[dtype] };
}

function printable(entry: TensorCase): PrintableTensor {
  const { count, at } = reader(entry.dtype, entry.data);
  return {
    shape: entry.shape,
    dtype: namedDType(entry.dtype),
    valueAt: (position) => at(position % count),
    requires_grad: entry.requires_grad ?? false,
    grad_fn_name: entry.grad_fn_name ?? null,
    is_parameter: entry.is_parameter ?? false,
  };
}

/** JSON has no infinity. */
function optionsOf(entry: TensorCase): PrintOptionsUpdate {
  const entries = Object.entries(entry.options ?? {});
  return Object.fromEntries(entries.map(([name, value]) => [name, value === "inf" ? Number.POSITIVE_INFINITY : value]));
}

afterEach(() => {
  set_printoptions({ profile: "default" });
  dtypes.set_default_dtype(dtypes.float32);
});

test("tensors print as in PyTorch, to the character", () => {
  assert.ok(golden.tensors.length > 600);
  for (const entry of golden.tensors) {
    set_printoptions({ profile: "default" });
    if (entry.options) set_printoptions(optionsOf(entry));
    dtypes.set_default_dtype(namedDType(entry.default_dtype ?? "float32"));
    assert.equal(tensorToString(printable(entry)), entry.text, JSON.stringify({ ...entry, data: undefined }));
  }
});

test("options given to tensorToString work as set options do", () => {
  for (const entry of golden.tensors) {
    if (!entry.options) continue;
    dtypes.set_default_dtype(namedDType(entry.default_dtype ?? "float32"));
    assert.equal(tensorToString(printable(entry), optionsOf(entry)), entry.text);
  }
});

test("of a summarized tensor only the shown elements are read", () => {
  const read = new Set<number>();
  const valueAt = (position: number) => {
    read.add(position);
    return position;
  };
  const text = tensorToString({ shape: [1000, 1000, 1000], dtype: dtypes.float32, valueAt });
  assert.equal(read.size, 6 ** 3);
  assert.ok(read.has(0) && read.has(999_999_999) && !read.has(3));
  assert.match(text, /^tensor\(\[\[\[0\.0000e\+00, 1\.0000e\+00, 2\.0000e\+00, {2}\.\.\., 9\.9700e\+02,/);
});

test("a parameter, a subclass, the meta device and a GPU", () => {
  const ones = { shape: [2], dtype: dtypes.float32, valueAt: () => 1 };
  assert.equal(
    tensorToString({ ...ones, is_parameter: true, requires_grad: true }),
    "Parameter containing:\ntensor([1., 1.], requires_grad=True)",
  );
  assert.equal(tensorToString({ ...ones, class_name: "Mask" }), "Mask([1., 1.])");
  const meta = { ...ones, valueAt: null, device: { type: "meta", toString: () => "meta" } };
  assert.equal(tensorToString(meta), "tensor(..., device='meta', size=(2,))");
  assert.equal(
    tensorToString({ ...meta, dtype: dtypes.int64 }),
    "tensor(..., device='meta', size=(2,), dtype=torch.int64)",
  );
  const gpu = { type: "webgpu", toString: () => "webgpu:0" };
  assert.equal(tensorToString({ ...ones, device: gpu }), "tensor([1., 1.], device='webgpu:0')");
});

test("booleans and whole numbers may come from a byte array", () => {
  assert.equal(tensorToString({ shape: [2], dtype: dtypes.bool, valueAt: (i) => i }), "tensor([False,  True])");
  assert.equal(tensorToString({ shape: [], dtype: dtypes.int64, valueAt: () => -0 }), "tensor(0)");
});

test("numbers are formatted as Python formats them", () => {
  assert.ok(golden.numbers.length > 200);
  for (const [bits, decimals, fixed, exponent, repr] of golden.numbers) {
    const value = Buffer.from(bits, "hex").readDoubleBE(0);
    assert.equal(formatFixed(value, decimals), fixed);
    assert.equal(formatExponent(value, decimals), exponent);
    assert.equal(formatFloat(value), repr);
  }
});

test("pythonRepr", () => {
  for (const [text, repr] of golden.strings) assert.equal(pythonRepr(text), repr);
  const cases: [unknown, string][] = [
    [1, "1"],
    [-3, "-3"],
    [1e21, "1000000000000000000000"],
    [2n ** 63n, "9223372036854775808"],
    [0.1, "0.1"],
    [1e-5, "1e-05"],
    [-0, "-0.0"],
    [Number.NEGATIVE_INFINITY, "-inf"],
    [pythonFloat(1), "1.0"],
    [pythonFloat(1e16), "1e+16"],
    [true, "True"],
    [false, "False"],
    [null, "None"],
    [undefined, "None"],
    [[2, 2], "(2, 2)"],
    [[5], "(5,)"],
    [[], "()"],
    [[[1, pythonFloat(2)], null], "((1, 2.0), None)"],
    [{ lr: 0.1, betas: [0.9, 0.999] }, "{'lr': 0.1, 'betas': (0.9, 0.999)}"],
    [new Map([[1, "a"]]), "{1: 'a'}"],
    [dtypes.float32, "torch.float32"],
  ];
  for (const [value, repr] of cases) assert.equal(pythonRepr(value), repr);
});

test("the text of a torch.Size", () => {
  assert.equal(sizeToString([2, 3]), "torch.Size([2, 3])");
  assert.equal(sizeToString([]), "torch.Size([])");
});

test("print options are set, kept, restored and checked", () => {
  set_printoptions({ precision: 2, sci_mode: true });
  assert.deepEqual(get_printoptions(), { precision: 2, threshold: 1000, edgeitems: 3, linewidth: 80, sci_mode: true });
  set_printoptions({ profile: "short", linewidth: 100 });
  assert.deepEqual(get_printoptions(), { precision: 2, threshold: 1000, edgeitems: 2, linewidth: 100, sci_mode: null });
  set_printoptions({ profile: "full", precision: null });
  assert.equal(get_printoptions().threshold, Number.POSITIVE_INFINITY);
  set_printoptions({ profile: "default" });

  assert.equal(
    printoptions({ precision: 1 }, () => get_printoptions().precision),
    1,
  );
  {
    using _ = printoptions({ precision: 7 });
    assert.equal(get_printoptions().precision, 7);
  }
  assert.throws(() =>
    printoptions({ precision: 9 }, () => {
      throw new Error("inside");
    }),
  );
  assert.equal(get_printoptions().precision, 4);

  const bad = (update: unknown) => () => set_printoptions(update as PrintOptionsUpdate);
  assert.throws(bad({ precison: 2 }), {
    name: "TypeError",
    message: /unexpected keyword argument 'precison'.*precision/,
  });
  assert.throws(bad({ precision: "2" }), TypeError);
  assert.throws(bad({ sci_mode: 1 }), TypeError);
  assert.throws(bad({ threshold: "full" }), TypeError);
  assert.throws(bad({ edgeitems: -1 }), ValueError);
  assert.throws(bad({ precision: 1.5 }), ValueError);
  assert.throws(bad({ profile: "long" }), ValueError);
  assert.deepEqual(get_printoptions(), { precision: 4, threshold: 1000, edgeitems: 3, linewidth: 80, sci_mode: null });
});
