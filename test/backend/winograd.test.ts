/** The code of Winograd kernels against the interpreter, in all its variants. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CheckingBackend } from "../../src/backend/checking.ts";
import { WasmBackend } from "../../src/backend/wasm/index.ts";
import type { WinogradFilterKernel, WinogradKernel } from "../../src/ir/kernel.ts";
import {
  filterBlocks,
  type WinogradParam,
  type WinogradTile,
  winogradFilterParams,
  winogradParams,
  winogradParamTypes,
} from "../../src/ir/winograd.ts";
import { Launch } from "./launch.ts";

let state = 1;

const variants = {
  "256-bit": {},
  "128-bit": { wide: false },
  "plain SIMD": { wide: false, relaxed: false },
};

test("blocks of filters", () => {
  for (let outputs = 1; outputs < 100; outputs++) {
    const { full, rest } = filterBlocks(outputs);
    assert.equal(6 * full + rest.reduce((a, b) => a + b, 0), outputs);
    assert.ok(rest.every((r) => r >= 1 && r <= 5) && (outputs < 10 || rest.every((r) => r >= 3)), String(outputs));
  }
});

interface Case {
  readonly samples: number;
  readonly channels: number;
  readonly outputs: number;
  readonly rows: number;
  readonly columns: number;
  readonly top: number;
  readonly left: number;
  /** How many more rows and columns there are than without padding at the end. */
  readonly more: number;
  readonly strips?: number;
  readonly unitTiles: number;
  readonly unitBlocks: number;
}

const cases: Case[] = [
  { samples: 1, channels: 1, outputs: 1, rows: 1, columns: 1, top: 1, left: 1, more: 1, unitTiles: 16, unitBlocks: 1 },
  { samples: 3, channels: 3, outputs: 7, rows: 5, columns: 6, top: 1, left: 1, more: 1, unitTiles: 16, unitBlocks: 1 },
  { samples: 2, channels: 2, outputs: 20, rows: 7, columns: 3, top: 0, left: 2, more: 2, unitTiles: 32, unitBlocks: 2 },
  { samples: 9, channels: 3, outputs: 8, rows: 2, columns: 2, top: 2, left: 0, more: 0, unitTiles: 16, unitBlocks: 1 },
  {
    ...{ samples: 1, channels: 2, outputs: 3, rows: 4, columns: 90, top: 1, left: 1, more: 1 },
    ...{ strips: 3, unitTiles: 16, unitBlocks: 1 },
  },
  { samples: 1, channels: 1, outputs: 13, rows: 9, columns: 9, top: 8, left: 7, more: 3, unitTiles: 48, unitBlocks: 4 },
  {
    samples: 2,
    channels: 2,
    outputs: 5,
    rows: 40,
    columns: 1,
    top: 1,
    left: 1,
    more: 1,
    unitTiles: 128,
    unitBlocks: 1,
  },
];

for (const [name, features] of Object.entries(variants)) {
  for (const tile of [2, 4] as const) {
    for (const biased of [false, true]) {
      test(`${name}, F(${tile} × ${tile}, 3 × 3)${biased ? " with bias" : ""}`, () => {
        for (const one of cases) check(one, tile, biased, features);
      });
    }
  }
}

test("filters", () => {
  const launch = new Launch();
  const backend = new CheckingBackend(new WasmBackend(launch.memory), { maxEvaluations: 1e7 });
  for (const tile of [2, 4] as const) {
    const kernel: WinogradFilterKernel = {
      form: "winograd_filters",
      name: "winograd_filters",
      buffers: [
        { dtype: "float32", access: "read" },
        { dtype: "float32", access: "write" },
      ],
      params: winogradFilterParams.map(() => "i32"),
      tile,
    };
    for (let outputs = 1; outputs <= 19; outputs++) {
      const channels = 1 + (outputs % 3);
      const w = launch.place("float32", numbers(9 * outputs * channels + 12));
      // In the usual order, and as the transposed convolution reads them: backwards.
      const backwards = { ...w, address: w.address + 4 * 8 };
      const stride = outputs * channels + 2;
      for (const [from, strides] of [
        [w, [9 * channels, 9, 3, 1]],
        [backwards, [9, 9 * outputs, -3, -1]],
      ] as const) {
        const u = launch.place("float32", numbers((tile + 2) ** 2 * stride));
        const before = backend.statistics.elements;
        launch.run(backend, kernel, [from, u], [outputs, channels, stride, ...strides]);
        assert.equal(backend.statistics.elements - before, (tile + 2) ** 2 * outputs * channels);
      }
    }
  }
});

/** In [-1, 1), the same in every run. */
function numbers(count: number): number[] {
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.fround(state / 2 ** 31 - 1);
  });
}

function check(c: Case, tile: WinogradTile, biased: boolean, features: object): void {
  const launch = new Launch(64);
  const backend = new CheckingBackend(new WasmBackend(launch.memory, { features }), { maxEvaluations: 1e7 });
  const buffer = { dtype: "float32", access: "read" } as const;
  const kernel: WinogradKernel = {
    form: "winograd",
    name: "winograd",
    buffers: [buffer, buffer, ...(biased ? [buffer] : []), { dtype: "float32", access: "write" }],
    params: winogradParamTypes,
    tile,
    biased,
  };
  const outRows = c.rows + c.top + c.more - 2;
  const outColumns = c.columns + c.left + c.more - 2;
  const strips = c.strips ?? 1;
  const filterStride = c.channels * c.outputs + 3;
  // Rows, channels and samples are apart, in memory and in what is around them.
  const inRow = c.columns + 1;
  const inChannel = inRow * c.rows + 2;
  const outRow = outColumns + 2;
  const outChannel = outRow * outRows + 1;
  const values: Record<WinogradParam, number> = {
    ...{ samples: c.samples, channels: c.channels, outputs: c.outputs, rows: c.rows, columns: c.columns },
    ...{ outRows, outColumns, inRow, inChannel, inSample: inChannel * c.channels + 1 },
    ...{ outRow, outChannel, outSample: outChannel * c.outputs, biasStride: 2, top: c.top, left: c.left },
    ...{ strips, tileRows: Math.ceil(outRows / tile), tileColumns: Math.ceil(Math.ceil(outColumns / tile) / strips) },
    ...{ unitTiles: c.unitTiles, unitBlocks: c.unitBlocks, filterStride },
  };
  const place = (count: number) => launch.place("float32", numbers(count));
  const x = place(values.inSample * c.samples);
  const u = place((tile + 2) ** 2 * filterStride);
  const bias = place(2 * c.outputs);
  const y = place(values.outSample * c.samples);
  const buffers = biased ? [x, u, bias, y] : [x, u, y];
  launch.run(
    backend,
    kernel,
    buffers,
    winogradParams.map((param) => values[param]),
  );
  assert.equal(backend.statistics.elements, c.samples * c.outputs * outRows * outColumns);
}
