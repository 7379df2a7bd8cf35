/**
 * A layer of a recurrent network over whole sequences, forward and backward through time. Rows are packed: those of step 0,
 * then those of step 1, …; later steps have as many samples or fewer. What the inputs contribute to the gates of all
 * steps comes from one product of matrices before; here remain one product and one fused kernel for each step.
 */
import type { Expr } from "../ir/expr.ts";
import type { Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { copied, fillWith } from "./copy.ts";
import { contract } from "./define/contraction.ts";
import { viewOf } from "./geometry.ts";
import { allocate, type RowBuilder, runRow } from "./row.ts";

export type RecurrentMode = "LSTM" | "GRU" | "RNN_TANH" | "RNN_RELU";

export interface RecurrentAttrs {
  readonly mode: RecurrentMode;
  /** How many samples each step has. */
  readonly batchSizes: readonly number[];
  readonly reverse: boolean;
  /** Keep what the gradient needs. */
  readonly save: boolean;
}

/** How many blocks of the hidden size the gates take, and how many the forward pass keeps of them for the gradient. */
export const GATES: Readonly<Record<RecurrentMode, number>> = { LSTM: 4, GRU: 3, RNN_TANH: 1, RNN_RELU: 1 };
const KEPT: Readonly<Record<RecurrentMode, number>> = { LSTM: 4, GRU: 4, RNN_TANH: 1, RNN_RELU: 1 };

interface Step {
  /** Its first row, and how many it has. */
  readonly row: number;
  readonly count: number;
}

function stepsOf({ batchSizes, reverse }: RecurrentAttrs): Step[] {
  const steps: Step[] = [];
  let row = 0;
  for (const count of batchSizes) {
    steps.push({ row, count });
    row += count;
  }
  return reverse ? steps.reverse() : steps;
}

const contiguous = (x: Tensor): Tensor => copied(x, { dtype: x.dtype, format: "contiguous_format" });
const compact = (x: Tensor): Tensor => (x.contiguousLayout ? x : contiguous(x));

/** Block `k`, of `width` columns, of `count` rows of a matrix. */
function block(x: Tensor, row: number, count: number, k: number, width: number): Tensor {
  const columns = x.sizes[1];
  return viewOf(x, [count, width], [columns, 1], x.offset + row * columns + k * width);
}

interface Cell {
  readonly name: string;
  readonly count: number;
  readonly width: number;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** One value for each output. */
  readonly build: (values: readonly Expr[]) => readonly Expr[];
}

/** A pointwise kernel over matrices of the same size; an output may be an input too. */
function runCell({ name, count, width, inputs, outputs, build }: Cell): void {
  runRow({
    name,
    key: `${name}:${inputs.length}:${outputs.length}`,
    outer: [count, width],
    inner: [],
    operands: [...inputs, ...outputs].map((tensor) => ({ tensor, outer: tensor.strides, inner: [] })),
    outputs: outputs.length,
    build: (values, row: RowBuilder) => {
      build(values).forEach((value, i) => {
        row.store(inputs.length + i, value);
      });
    },
  });
}

/** `out = a · b (+ added)` for rows of matrices; `transpose` says that b is stored with its columns as rows. */
function product(out: Tensor, a: Tensor, b: Tensor, transpose: boolean, added: Tensor | null): void {
  const [k, n] = transpose ? [b.strides[1], b.strides[0]] : [b.strides[0], b.strides[1]];
  contract({
    name: "recurrent",
    key: added === null ? "" : "+",
    sizes: { batch: [], m: [out.sizes[0]], n: [out.sizes[1]], k: [a.sizes[1]] },
    a: { tensor: a, m: [a.strides[0]], k: [a.strides[1]] },
    b: { tensor: b, k: [k], n: [n] },
    out: { tensor: out, m: [out.strides[0]], n: [out.strides[1]] },
    extra: added === null ? undefined : [{ tensor: added, m: [added.strides[0]], n: [added.strides[1]] }],
    epilogue: added === null ? undefined : (sum, [other]) => sum.add(other),
  });
}

const sigmoid = (x: Expr): Expr => x.fn("sigmoid");

/** What a forward pass gives: outputs of all steps, last states, and what the gradient needs. */
export interface RecurrentResult {
  readonly outputs: Tensor;
  readonly hidden: Tensor;
  readonly cell: Tensor | null;
  /** Activated gates; for GRU reset, update and new gates, and the hidden state's part of the new gate. */
  readonly gates: Tensor;
  readonly hiddenBefore: Tensor;
  readonly cellBefore: Tensor | null;
}

/**
 * `inputs`: the inputs' part of the gates (rows, gates · H), the recurrent matrix (gates · H, H), the first hidden state
 * (batch, H), then the first cell state (LSTM) or the recurrent bias (GRU, if there is one).
 */
export function recurrentForward(inputs: readonly Tensor[], attrs: RecurrentAttrs): RecurrentResult {
  const { mode, save } = attrs;
  const [given, matrix, h0, extra] = inputs;
  const x = compact(given);
  const [batch, width] = h0.sizes;
  const rows = x.sizes[0];
  const { dtype } = x;
  const matrixOf = (count: number, columns: number): Tensor => allocate(dtype, [count, columns]);
  const hidden = contiguous(h0);
  const cell = mode === "LSTM" ? contiguous(extra) : null;
  const outputs = matrixOf(rows, width);
  const kept = save ? rows : batch;
  const gates = matrixOf(kept, KEPT[mode] * width);
  const raw = mode === "GRU" ? matrixOf(batch, 3 * width) : gates;
  const hiddenBefore = matrixOf(save ? rows : 0, width);
  const cellBefore = cell === null ? null : matrixOf(save ? rows : 0, width);
  const bias = mode === "GRU" && extra !== undefined ? viewOf(extra, [1, 3 * width], [0, extra.strides[0]]) : null;
  for (const { row, count } of stepsOf(attrs)) {
    const at = save ? row : 0;
    const state = block(hidden, 0, count, 0, width);
    const out = block(outputs, row, count, 0, width);
    const gate = (k: number): Tensor => block(gates, at, count, k, width);
    const before = save ? [block(hiddenBefore, row, count, 0, width)] : [];
    const whole = viewOf(x, [count, x.sizes[1]], [x.sizes[1], 1], x.offset + row * x.sizes[1]);
    if (mode === "GRU") {
      const target = block(raw, 0, count, 0, 3 * width);
      const added = bias === null ? null : viewOf(bias, target.sizes, bias.strides);
      product(target, state, matrix, true, added);
      const mine = (k: number): Tensor => block(x, row, count, k, width);
      const own = (k: number): Tensor => block(raw, 0, count, k, width);
      runCell({
        name: "gru_cell",
        count,
        width,
        inputs: [mine(0), mine(1), mine(2), own(0), own(1), own(2), state],
        outputs: [state, out, ...(save ? [gate(0), gate(1), gate(2), gate(3), ...before] : [])],
        build: ([xr, xz, xn, hr, hz, hn, h]) => {
          const r = sigmoid(xr.add(hr));
          const z = sigmoid(xz.add(hz));
          const n = xn.add(r.mul(hn)).tanh();
          const next = n.add(z.mul(h.sub(n)));
          return [next, next, ...(save ? [r, z, n, hn, h] : [])];
        },
      });
      continue;
    }
    product(block(gates, at, count, 0, GATES[mode] * width), state, matrix, true, whole);
    if (cell !== null && cellBefore !== null) {
      const memory = block(cell, 0, count, 0, width);
      const old = save ? [block(cellBefore, row, count, 0, width)] : [];
      const all = [gate(0), gate(1), gate(2), gate(3)];
      runCell({
        name: "lstm_cell",
        count,
        width,
        inputs: [...all, memory, state],
        outputs: [memory, state, out, ...(save ? [...all, ...old, ...before] : [])],
        build: ([gi, gf, gg, go, c, h]) => {
          const i = sigmoid(gi);
          const f = sigmoid(gf);
          const g = gg.tanh();
          const o = sigmoid(go);
          const next = f.mul(c).add(i.mul(g));
          const result = o.mul(next.tanh());
          return [next, result, result, ...(save ? [i, f, g, o, c, h] : [])];
        },
      });
    } else {
      const relu = mode === "RNN_RELU";
      runCell({
        name: relu ? "rnn_relu_cell" : "rnn_tanh_cell",
        count,
        width,
        inputs: [gate(0), state],
        outputs: [state, out, ...(save ? [gate(0), ...before] : [])],
        build: ([sum, h]) => {
          const next = relu ? sum.max(0) : sum.tanh();
          return [next, next, ...(save ? [next, h] : [])];
        },
      });
    }
  }
  return { outputs, hidden, cell, gates, hiddenBefore, cellBefore };
}

/** Saved by the forward pass. */
export interface RecurrentSaved {
  readonly matrix: Tensor;
  readonly gates: Tensor;
  readonly hiddenBefore: Tensor;
  readonly cellBefore: Tensor | null;
  /** Whether GRU has a recurrent bias. */
  readonly biased: boolean;
}

/** Gradients of the results; null where none came. */
export interface RecurrentGradients {
  readonly outputs: Tensor | null;
  readonly hidden: Tensor | null;
  readonly cell: Tensor | null;
}

/** The gradients of the inputs of `recurrentForward`, in their order. */
export function recurrentBackward(g: RecurrentGradients, saved: RecurrentSaved, attrs: RecurrentAttrs): Tensor[] {
  const { mode } = attrs;
  const { matrix, gates, hiddenBefore, cellBefore } = saved;
  const [rows, width] = hiddenBefore.sizes;
  const batch = Math.max(0, ...attrs.batchSizes);
  const { dtype } = gates;
  const matrixOf = (count: number, columns: number): Tensor => allocate(dtype, [count, columns]);
  const started = (x: Tensor | null): Tensor => {
    if (x !== null) return contiguous(x);
    const zeros = matrixOf(batch, width);
    fillWith(zeros, 0);
    return zeros;
  };
  const hidden = started(g.hidden);
  const cell = mode === "LSTM" ? started(g.cell) : null;
  const outputs = g.outputs === null ? null : compact(g.outputs);
  const columns = GATES[mode] * width;
  const toInputs = matrixOf(rows, columns);
  // GRU's new gate sees the hidden state through the reset gate, so the two gradients differ.
  const toHidden = mode === "GRU" ? matrixOf(rows, columns) : toInputs;
  const direct = mode === "GRU" ? matrixOf(batch, width) : null;
  for (const { row, count } of stepsOf(attrs).reverse()) {
    const state = block(hidden, 0, count, 0, width);
    const incoming = outputs === null ? [] : [block(outputs, row, count, 0, width)];
    const gate = (k: number): Tensor => block(gates, row, count, k, width);
    const into = (k: number): Tensor => block(toInputs, row, count, k, width);
    if (mode === "GRU" && direct !== null) {
      const other = (k: number): Tensor => block(toHidden, row, count, k, width);
      runCell({
        name: "gru_cell_backward",
        count,
        width,
        inputs: [state, gate(0), gate(1), gate(2), gate(3), block(hiddenBefore, row, count, 0, width), ...incoming],
        outputs: [into(0), into(1), into(2), other(0), other(1), other(2), block(direct, 0, count, 0, width)],
        build: ([dh, r, z, n, hn, h, more]) => {
          const d = more === undefined ? dh : dh.add(more);
          const dn = d.sub(d.mul(z)).mul(n.mul(n).neg().add(1));
          const dz = d.mul(h.sub(n)).mul(z.sub(z.mul(z)));
          const dr = dn.mul(hn).mul(r.sub(r.mul(r)));
          return [dr, dz, dn, dr, dz, dn.mul(r), d.mul(z)];
        },
      });
      product(state, block(toHidden, row, count, 0, columns), matrix, false, block(direct, 0, count, 0, width));
      continue;
    }
    if (cell !== null && cellBefore !== null) {
      const memory = block(cell, 0, count, 0, width);
      runCell({
        name: "lstm_cell_backward",
        count,
        width,
        inputs: [
          state,
          memory,
          gate(0),
          gate(1),
          gate(2),
          gate(3),
          block(cellBefore, row, count, 0, width),
          ...incoming,
        ],
        outputs: [into(0), into(1), into(2), into(3), memory],
        build: ([dh, dc, i, f, gg, o, c, more]) => {
          const d = more === undefined ? dh : dh.add(more);
          const t = f.mul(c).add(i.mul(gg)).tanh();
          const through = dc.add(d.mul(o).mul(t.mul(t).neg().add(1)));
          const slope = (s: Expr): Expr => s.sub(s.mul(s));
          return [
            through.mul(gg).mul(slope(i)),
            through.mul(c).mul(slope(f)),
            through.mul(i).mul(gg.mul(gg).neg().add(1)),
            d.mul(t).mul(slope(o)),
            through.mul(f),
          ];
        },
      });
    } else {
      const relu = mode === "RNN_RELU";
      runCell({
        name: relu ? "rnn_relu_cell_backward" : "rnn_tanh_cell_backward",
        count,
        width,
        inputs: [state, gate(0), ...incoming],
        outputs: [into(0)],
        build: ([dh, y, more]) => {
          const d = more === undefined ? dh : dh.add(more);
          return [relu ? y.gt(0).select(d, 0) : d.mul(y.mul(y).neg().add(1))];
        },
      });
    }
    product(state, block(toInputs, row, count, 0, columns), matrix, false, null);
  }
  const toMatrix = allocate(dtype, [columns, width]);
  const transposed = viewOf(toHidden, [columns, rows], [1, columns]);
  product(toMatrix, transposed, hiddenBefore, false, null);
  const results = [toInputs, toMatrix, hidden];
  if (cell !== null) results.push(cell);
  else if (saved.biased) results.push(columnSums(toHidden));
  return results;
}

function columnSums(x: Tensor): Tensor {
  const [rows, columns] = x.sizes;
  const out = allocate(x.dtype, [columns]);
  const still: Shape = [0];
  runRow({
    name: "column_sums",
    key: "column_sums",
    outer: [columns],
    inner: [rows],
    operands: [
      { tensor: x, outer: [1], inner: [columns] },
      { tensor: out, outer: [1], inner: still },
    ],
    outputs: 1,
    build: ([value], row) => row.store(1, row.reduce("sum", value)),
  });
  return out;
}
