/** Recurrent layers: the recorded op for a layer and a direction, and networks of several. */
import { grad as gradOf } from "../autograd/backward.ts";
import { enable_grad } from "../autograd/grad-mode.ts";
import { wantsDerivative } from "../autograd/wants-derivative.ts";
import { isRecording } from "../context/grad-mode.ts";
import type { Tensor } from "../tensor.ts";
import { isTransforming } from "../wrapping.ts";
import { addmm } from "./addmm.ts";
import { primitiveMany, RESULT } from "./define/primitive.ts";
import { dropout } from "./dropout.ts";
import { cat, stack } from "./joining.ts";
import { type RecurrentAttrs, type RecurrentMode, recurrentBackward, recurrentForward } from "./recurrent-kernels.ts";

export type { RecurrentMode } from "./recurrent-kernels.ts";

const NODE_NAMES: Readonly<Record<RecurrentMode, string>> = {
  LSTM: "LstmLayerBackward",
  GRU: "GruLayerBackward",
  RNN_TANH: "RnnTanhLayerBackward",
  RNN_RELU: "RnnReluLayerBackward",
};

/** Positions of the results of a layer's op. The cell state comes last, since only LSTM has one. */
const [OUTPUTS, HIDDEN, GATES, HIDDEN_BEFORE, CELL, CELL_BEFORE] = [0, 1, 2, 3, 4, 5];

type LayerOp = (inputs: readonly Tensor[], attrs: RecurrentAttrs) => Tensor[];

function layerOp(mode: RecurrentMode): LayerOp {
  const lstm = mode === "LSTM";
  const needed = [1, RESULT + GATES, RESULT + HIDDEN_BEFORE, ...(lstm ? [RESULT + CELL_BEFORE] : [])];
  const all = [0, 2, ...(lstm || mode === "GRU" ? [3] : []), ...needed];
  return primitiveMany<RecurrentAttrs>({
    name: mode.toLowerCase(),
    nodeName: NODE_NAMES[mode],
    differentiableOutputs: [true, true, false, false, true, false],
    compute: (inputs, attrs) => {
      const { outputs, hidden, gates, hiddenBefore, cell, cellBefore } = recurrentForward(inputs, attrs);
      const states = cell === null || cellBefore === null ? [] : [cell, cellBefore];
      return [outputs, hidden, gates, hiddenBefore, ...states];
    },
    saves: [all],
    gradient: (_, c, grads) => {
      const inputs = Array.from({ length: c.inputCount }, (__, i) => i);
      const results = [grads[OUTPUTS], grads[HIDDEN], lstm ? grads[CELL] : null];
      if (isRecording()) {
        // For second derivatives the layer is computed again, from ops that have them.
        return secondOrder(
          inputs.map((i) => c.input(i)),
          inputs.map((i) => c.needs(i)),
          results,
          c.attrs,
        );
      }
      const saved = {
        matrix: c.input(1),
        gates: c.output(GATES),
        hiddenBefore: c.output(HIDDEN_BEFORE),
        cellBefore: lstm ? c.output(CELL_BEFORE) : null,
        biased: c.inputCount > 3,
      };
      return recurrentBackward({ outputs: results[0], hidden: results[1], cell: results[2] }, saved, c.attrs);
    },
  });
}

const layerOps: Readonly<Record<RecurrentMode, LayerOp>> = {
  LSTM: layerOp("LSTM"),
  GRU: layerOp("GRU"),
  RNN_TANH: layerOp("RNN_TANH"),
  RNN_RELU: layerOp("RNN_RELU"),
};

function secondOrder(
  inputs: readonly Tensor[],
  needed: readonly boolean[],
  grads: readonly (Tensor | null)[],
  attrs: RecurrentAttrs,
): (Tensor | null)[] {
  // Forward mode asks for the gradient of inputs that do not require one.
  const sources = inputs.map((x, i) => (needed[i] && !x.requires_grad ? requiringGrad(x) : x));
  const wanted = sources.filter((_, i) => needed[i]);
  const results = enable_grad(() => stepwise(sources, attrs, null));
  const used = results.flatMap((r, i) => (r !== null && grads[i] !== null ? [r] : []));
  const given = results.flatMap((r, i) => (r !== null && grads[i] !== null ? [grads[i] as Tensor] : []));
  const found = gradOf(used, wanted, given, { create_graph: true, allow_unused: true }) as (Tensor | null)[];
  let next = 0;
  return inputs.map((_, i) => (needed[i] ? found[next++] : null));
}

function requiringGrad(x: Tensor): Tensor {
  const leaf = x.detach();
  leaf.leafRequiresGrad = true;
  return leaf;
}

/** A layer as a chain of ops, one step after another: outputs, hidden state, cell state. `projection`: (proj, H). */
function stepwise(
  inputs: readonly Tensor[],
  { mode, batchSizes, reverse }: Omit<RecurrentAttrs, "save">,
  projection: Tensor | null,
): [outputs: Tensor, hidden: Tensor, cell: Tensor | null] {
  const [x, matrix, h0, extra] = inputs;
  const rows = batchSizes.map((_, t) => batchSizes.slice(0, t).reduce((n, b) => n + b, 0));
  const outputs: Tensor[] = [];
  let hidden = h0;
  let cell: Tensor | null = mode === "LSTM" ? extra : null;
  const order = batchSizes.map((_, t) => t);
  if (reverse) order.reverse();
  for (const t of order) {
    const count = batchSizes[t];
    /** The state with its first samples replaced: the others have come to their end, or not begun. */
    const updated = (state: Tensor, now: Tensor): Tensor =>
      count === state.size(0) ? now : cat([now, state.narrow(0, count, state.size(0) - count)]);
    const own = x.narrow(0, rows[t], count);
    const h = hidden.narrow(0, 0, count);
    const recurrent = h.matmul(matrix.t());
    let now: Tensor;
    if (cell !== null) {
      const [i, f, g, o] = own.add(recurrent).chunk(4, 1);
      const c = f
        .sigmoid()
        .mul(cell.narrow(0, 0, count))
        .add(i.sigmoid().mul(g.tanh()));
      now = o.sigmoid().mul(c.tanh());
      cell = updated(cell, c);
    } else if (mode === "GRU") {
      const [xr, xz, xn] = own.chunk(3, 1);
      const [hr, hz, hn] = (extra === undefined ? recurrent : recurrent.add(extra)).chunk(3, 1);
      const n = xn.add(xr.add(hr).sigmoid().mul(hn)).tanh();
      now = n.add(xz.add(hz).sigmoid().mul(h.sub(n)));
    } else {
      const sum = own.add(recurrent);
      now = mode === "RNN_RELU" ? sum.relu() : sum.tanh();
    }
    if (projection !== null) now = now.matmul(projection.t());
    hidden = updated(hidden, now);
    outputs[t] = now;
  }
  return [cat(outputs), hidden, cell];
}

/** The weights of one layer and direction. */
export interface RecurrentWeights {
  /** (gates · H, input size) and (gates · H, H). */
  readonly ih: Tensor;
  readonly hh: Tensor;
  readonly biasIh: Tensor | null;
  readonly biasHh: Tensor | null;
  /** (proj, H), in LSTM with projections. */
  readonly hr: Tensor | null;
}

/** Outputs of all rows, then the last states; `cell` only in LSTM. */
export interface LayerResult {
  readonly outputs: Tensor;
  readonly hidden: Tensor;
  readonly cell: Tensor | null;
}

/** One layer in one direction over packed rows `x` (rows, input size). */
export function recurrentLayer(
  mode: RecurrentMode,
  x: Tensor,
  weights: RecurrentWeights,
  h0: Tensor,
  c0: Tensor | null,
  batchSizes: readonly number[],
  reverse: boolean,
): LayerResult {
  const { ih, hh, biasIh, biasHh, hr } = weights;
  // GRU's recurrent bias is inside of the reset gate's product; the others' can be added once for all steps.
  const bias = biasIh === null || biasHh === null ? null : mode === "GRU" ? biasIh : biasIh.add(biasHh);
  const gates = bias === null ? x.matmul(ih.t()) : addmm(bias, x, ih.t());
  const inputs = [gates, hh, h0];
  if (c0 !== null) inputs.push(c0);
  else if (mode === "GRU" && biasHh !== null) inputs.push(biasHh);
  // The op's second derivatives need its inputs to be where it was recorded, which they are not in transformations.
  if (hr !== null || isTransforming()) {
    const [outputs, hidden, cell] = stepwise(inputs, { mode, batchSizes, reverse }, hr);
    return { outputs, hidden, cell };
  }
  const save = wantsDerivative(...inputs);
  const results = layerOps[mode](inputs, { mode, batchSizes, reverse, save });
  return { outputs: results[OUTPUTS], hidden: results[HIDDEN], cell: mode === "LSTM" ? results[CELL] : null };
}

/** A network of layers. */
export interface RecurrentNetwork {
  readonly mode: RecurrentMode;
  /** For each layer, its directions. */
  readonly layers: readonly (readonly RecurrentWeights[])[];
  /** After each layer but the last, in training. */
  readonly dropout: number;
  readonly training: boolean;
}

/**
 * All layers over packed rows. `hidden` and `cell` (layers · directions, batch, H) are the first states; the result has the
 * last ones.
 */
export function recurrentNetwork(
  network: RecurrentNetwork,
  x: Tensor,
  hidden: Tensor,
  cell: Tensor | null,
  batchSizes: readonly number[],
): { outputs: Tensor; hidden: Tensor; cell: Tensor | null } {
  const { mode, layers, training } = network;
  const lastHidden: Tensor[] = [];
  const lastCell: Tensor[] = [];
  let rows = x;
  layers.forEach((directions, l) => {
    const results = directions.map((weights, d) => {
      const k = l * directions.length + d;
      return recurrentLayer(
        mode,
        rows,
        weights,
        hidden.select(0, k),
        cell === null ? null : cell.select(0, k),
        batchSizes,
        d === 1,
      );
    });
    for (const r of results) {
      lastHidden.push(r.hidden);
      if (r.cell !== null) lastCell.push(r.cell);
    }
    rows =
      results.length === 1
        ? results[0].outputs
        : cat(
            results.map((r) => r.outputs),
            1,
          );
    if (training && network.dropout > 0 && l < layers.length - 1) rows = dropout(rows, network.dropout, true);
  });
  return { outputs: rows, hidden: stack(lastHidden), cell: cell === null ? null : stack(lastCell) };
}
