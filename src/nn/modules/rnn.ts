/** Recurrent networks: https://pytorch.org/docs/stable/nn.html#recurrent-layers */
import { RuntimeError, ValueError } from "../../errors.ts";
import { empty, zeros } from "../../ops/creation.ts";
import { type RecurrentMode, type RecurrentWeights, recurrentNetwork } from "../../ops/recurrent.ts";
import { pythonFloat, pythonRepr } from "../../print/index.ts";
import { type Shape, sameShape, shapeText } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import * as init from "../init.ts";
import { Module } from "../module.ts";
import { type Arguments, FACTORY, type FactoryOptions, layerArguments } from "../options.ts";
import { Parameter } from "../parameter.ts";
import { PackedSequence } from "../utils/rnn.ts";

interface NetworkOptions extends FactoryOptions {
  /** Features of the input. */
  readonly input_size: number;
  /** Features of the hidden state. */
  readonly hidden_size: number;
  /** Networks on top of each other. Default 1. */
  readonly num_layers?: number;
  /** Learn two additive biases for each layer. Default true. */
  readonly bias?: boolean;
  /** Inputs and outputs are (N, L, *) instead of (L, N, *). States are not concerned. Default false. */
  readonly batch_first?: boolean;
  /** Dropout after each layer but the last. Default 0. */
  readonly dropout?: number;
  /** Also run backwards through the sequence; the outputs of both directions stand beside each other. Default false. */
  readonly bidirectional?: boolean;
}

export interface RNNOptions extends NetworkOptions {
  /** "tanh" (the default) or "relu". */
  readonly nonlinearity?: "tanh" | "relu";
}

export interface LSTMOptions extends NetworkOptions {
  /** Project hidden states to this size; 0, the default, for no projection. */
  readonly proj_size?: number;
}

export type GRUOptions = NetworkOptions;

const GATE_COUNTS: Readonly<Record<RecurrentMode, number>> = { LSTM: 4, GRU: 3, RNN_TANH: 1, RNN_RELU: 1 };

const NETWORK =
  "int num_layers=1, NONLINEARITYbool bias=True, bool batch_first=False, any dropout=0, bool bidirectional=False";

/** What an input turns into: packed rows and how many samples each step has. */
interface Prepared {
  readonly rows: Tensor;
  readonly batchSizes: readonly number[];
  readonly batch: number;
  /** Makes outputs of the given rows. */
  readonly finish: (rows: Tensor) => Tensor | PackedSequence;
  /** States as the layers take them, and back. */
  readonly into: (state: Tensor) => Tensor;
  readonly back: (state: Tensor) => Tensor;
}

/** The base of recurrent networks. */
export abstract class RNNBase extends Module {
  mode: RecurrentMode;
  input_size: number;
  hidden_size: number;
  num_layers: number;
  bias: boolean;
  batch_first: boolean;
  dropout: number;
  bidirectional: boolean;
  proj_size: number;
  /** Of the first layer: (gates · hidden_size, input_size). Those of others are `weight_ih_l1`, `weight_ih_l0_reverse`, … */
  declare weight_ih_l0: Parameter;
  /** (gates · hidden_size, hidden_size or proj_size). */
  declare weight_hh_l0: Parameter;
  declare bias_ih_l0: Parameter;
  declare bias_hh_l0: Parameter;

  protected constructor(mode: RecurrentMode, options: Required<LSTMOptions>) {
    super();
    const { input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size } = options;
    if (typeof dropout !== "number" || !(dropout >= 0 && dropout <= 1)) {
      throw new ValueError(
        "dropout should be a number in range [0, 1] representing the probability of an element being zeroed",
      );
    }
    if (input_size <= 0) throw new ValueError("input_size must be greater than zero");
    if (hidden_size <= 0) throw new ValueError("hidden_size must be greater than zero");
    if (num_layers <= 0) throw new ValueError("num_layers must be greater than zero");
    if (proj_size < 0) {
      throw new ValueError("proj_size should be a positive integer or zero to disable projections");
    }
    if (proj_size >= hidden_size) throw new ValueError("proj_size has to be smaller than hidden_size");
    this.mode = mode;
    this.input_size = input_size;
    this.hidden_size = hidden_size;
    this.num_layers = num_layers;
    this.bias = bias;
    this.batch_first = batch_first;
    this.dropout = dropout;
    this.bidirectional = bidirectional;
    this.proj_size = proj_size;
    const factory = { dtype: options.dtype, device: options.device };
    const make = (...shape: number[]): Parameter => new Parameter(empty(shape, factory));
    const gates = GATE_COUNTS[mode] * hidden_size;
    const width = this.stateSize;
    for (let l = 0; l < num_layers; l++) {
      for (const suffix of this.suffixes(l)) {
        const inputs = l === 0 ? input_size : width * this.directions;
        this.setField(`weight_ih${suffix}`, make(gates, inputs));
        this.setField(`weight_hh${suffix}`, make(gates, width));
        if (bias) {
          this.setField(`bias_ih${suffix}`, make(gates));
          this.setField(`bias_hh${suffix}`, make(gates));
        }
        if (proj_size > 0) this.setField(`weight_hr${suffix}`, make(proj_size, hidden_size));
      }
    }
    this.reset_parameters();
  }

  private get directions(): number {
    return this.bidirectional ? 2 : 1;
  }
  /** Features of hidden states and outputs. */
  private get stateSize(): number {
    return this.proj_size > 0 ? this.proj_size : this.hidden_size;
  }
  private suffixes(layer: number): string[] {
    return this.bidirectional ? [`_l${layer}`, `_l${layer}_reverse`] : [`_l${layer}`];
  }

  /** Uniform in ±1/√hidden_size. */
  reset_parameters(): void {
    const bound = 1 / Math.sqrt(this.hidden_size);
    for (const weight of this.parameters()) init.uniform_(weight, -bound, bound);
  }

  /** Does nothing: the weights need no particular place in memory. */
  flatten_parameters(): void {}

  private weightsOf(suffix: string): RecurrentWeights {
    const fields = this as unknown as Record<string, Tensor | undefined>;
    return {
      ih: fields[`weight_ih${suffix}`] as Tensor,
      hh: fields[`weight_hh${suffix}`] as Tensor,
      biasIh: fields[`bias_ih${suffix}`] ?? null,
      biasHh: fields[`bias_hh${suffix}`] ?? null,
      hr: fields[`weight_hr${suffix}`] ?? null,
    };
  }

  /** The parameters of each layer and direction. */
  get all_weights(): Parameter[][] {
    const layers = Array.from({ length: this.num_layers }, (_, l) => this.suffixes(l));
    return layers.flat().map((suffix) => {
      const { ih, hh, biasIh, biasHh, hr } = this.weightsOf(suffix);
      return [ih, hh, biasIh, biasHh, hr].filter((w) => w !== null) as Parameter[];
    });
  }

  private prepare(input: Tensor | PackedSequence): Prepared {
    const same = (x: Tensor): Tensor => x;
    if (input instanceof PackedSequence) {
      const { data, batch_sizes, sorted_indices, unsorted_indices } = input;
      const batchSizes = (batch_sizes.tolist() as (number | bigint)[]).map(Number);
      this.checkInput(data, 2);
      return {
        rows: data,
        batchSizes,
        batch: batchSizes[0],
        finish: (rows) => input.withData(rows),
        into: sorted_indices === null ? same : (state) => state.index_select(1, sorted_indices),
        back: unsorted_indices === null ? same : (state) => state.index_select(1, unsorted_indices),
      };
    }
    const rank = input.dim();
    const kind = this.className();
    if (rank !== 2 && rank !== 3) {
      const noun = kind === "RNN" ? `${rank}D tensor` : `${rank}D`;
      throw new ValueError(`${kind}: Expected input to be 2D or 3D, got ${noun} instead`);
    }
    const first = this.batch_first && rank === 3;
    const steps = rank === 2 ? input.unsqueeze(1) : first ? input.transpose(0, 1) : input;
    this.checkInput(steps, 3);
    const [length, batch] = steps.shape;
    return {
      rows: steps.reshape([length * batch, this.input_size]),
      batchSizes: new Array<number>(length).fill(batch),
      batch,
      finish: (rows) => {
        const out = rows.reshape([length, batch, rows.size(-1)]);
        return rank === 2 ? out.squeeze(1) : first ? out.transpose(0, 1) : out;
      },
      into: rank === 2 ? (state) => state.unsqueeze(1) : same,
      back: rank === 2 ? (state) => state.squeeze(1) : same,
    };
  }

  private checkInput(input: Tensor, rank: number): void {
    const { dtype } = this.weight_ih_l0;
    if (input.dtype !== dtype) {
      throw new ValueError(
        `RNN input dtype (${input.dtype}) does not match weight dtype (${dtype}). Convert input: input.to(${dtype}), or convert model: model.to(${input.dtype})`,
      );
    }
    if (input.dim() !== rank) throw new RuntimeError(`input must have ${rank} dimensions, got ${input.dim()}`);
    if (input.size(-1) !== this.input_size) {
      throw new RuntimeError(
        `input.size(-1) must be equal to input_size. Expected ${this.input_size}, got ${input.size(-1)}`,
      );
    }
  }

  /** Runs the network; `states` are the given first states, hidden and, in LSTM, cell. */
  protected run(
    input: Tensor | PackedSequence,
    states: readonly Tensor[] | null,
  ): [output: Tensor | PackedSequence, states: Tensor[]] {
    const { rows, batchSizes, batch, finish, into, back } = this.prepare(input);
    const lstm = this.mode === "LSTM";
    const count = this.num_layers * this.directions;
    const sizes = [this.stateSize, this.hidden_size].slice(0, lstm ? 2 : 1);
    if (states !== null && !(input instanceof PackedSequence)) checkRanks(input.dim(), states);
    const first = sizes.map((size, i) => {
      const shape = [count, batch, size];
      if (states === null) return zeros(shape, { dtype: rows.dtype });
      const state = into(states[i]);
      if (!sameShape(state.shape, shape)) throw wrongState(lstm ? `hidden[${i}]` : "hidden", shape, state.shape);
      return state;
    });
    const layers = Array.from({ length: this.num_layers }, (_, l) => this.suffixes(l).map((s) => this.weightsOf(s)));
    const { mode, dropout, training } = this;
    const network = { mode, layers, dropout, training };
    const result = recurrentNetwork(network, rows, first[0], lstm ? first[1] : null, batchSizes);
    const last = result.cell === null ? [result.hidden] : [result.hidden, result.cell];
    return [finish(result.outputs), last.map(back)];
  }

  override extra_repr(): string {
    let text = `${this.input_size}, ${this.hidden_size}`;
    if (this.proj_size !== 0) text += `, proj_size=${this.proj_size}`;
    if (this.num_layers !== 1) text += `, num_layers=${this.num_layers}`;
    if (!this.bias) text += ", bias=False";
    if (this.batch_first) text += ", batch_first=True";
    if (this.dropout !== 0) text += `, dropout=${pythonRepr(pythonFloat(this.dropout))}`;
    if (this.bidirectional) text += ", bidirectional=True";
    return text;
  }
}

function wrongState(name: string, expected: Shape, got: Shape): RuntimeError {
  const label = name === "hidden" ? "hidden" : name;
  return new RuntimeError(`Expected ${label} size (${expected.join(", ")}), got ${shapeText(got)}`);
}

function checkRanks(rank: number, states: readonly Tensor[]): void {
  const wanted = rank === 3 ? 3 : 2;
  if (states.every((s) => s.dim() === wanted)) return;
  const what = rank === 3 ? "batched 3-D" : "unbatched 2-D";
  throw new RuntimeError(
    states.length === 2
      ? `For ${what} input, hx and cx should also be ${wanted}-D but got (${states[0].dim()}-D, ${states[1].dim()}-D) tensors`
      : `For ${what} input, hx should also be ${wanted}-D but got ${states[0].dim()}-D tensor`,
  );
}

type NetworkArguments<O, Extra extends unknown[] = []> = Arguments<
  O,
  [input_size: number, hidden_size: number],
  [num_layers?: number, bias?: boolean, batch_first?: boolean, dropout?: number, bidirectional?: boolean, ...Extra]
>;

function networkOptions(name: string, args: readonly unknown[], nonlinearity: string, projection: string): LSTMOptions {
  const signature = `${name}.__init__(int input_size, int hidden_size, ${NETWORK.replace("NONLINEARITY", nonlinearity)}${projection}, ${FACTORY})`;
  const options: LSTMOptions = layerArguments<LSTMOptions>(signature, args);
  return options.proj_size === undefined ? { ...options, proj_size: 0 } : options;
}

/** Refuses `proj_size`, which only LSTM has. */
function refuseProjection(args: readonly unknown[]): void {
  const last = args.at(-1);
  if (typeof last === "object" && last !== null && "proj_size" in last) {
    throw new ValueError("proj_size argument is only supported for LSTM, not RNN or GRU");
  }
}

// A packed sequence gives a packed sequence: typed as another way to call the module.
export interface RNN {
  (input: PackedSequence, hx?: Tensor | null): [output: PackedSequence, h_n: Tensor];
}

/**
 * Elman's network, `h′ = tanh(W_ih x + b_ih + W_hh h + b_hh)`: input (L, N, input_size) or (L, input_size), hidden state
 * (layers · directions, N, hidden_size), by default zeros. Returns [outputs of all steps, last hidden state].
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: calls are typed by the interface.
export class RNN extends RNNBase {
  nonlinearity: "tanh" | "relu";

  constructor(
    ...args: Arguments<
      RNNOptions,
      [input_size: number, hidden_size: number],
      [
        num_layers?: number,
        nonlinearity?: "tanh" | "relu",
        bias?: boolean,
        batch_first?: boolean,
        dropout?: number,
        bidirectional?: boolean,
      ]
    >
  ) {
    refuseProjection(args);
    const options = networkOptions("RNN", args, 'str nonlinearity="tanh", ', "") as Required<RNNOptions & LSTMOptions>;
    const { nonlinearity } = options;
    if (nonlinearity !== "tanh" && nonlinearity !== "relu") {
      throw new ValueError(`Unknown nonlinearity '${nonlinearity}'. Select from 'tanh' or 'relu'.`);
    }
    super(nonlinearity === "relu" ? "RNN_RELU" : "RNN_TANH", options);
    this.nonlinearity = nonlinearity;
  }

  override forward(input: Tensor, hx: Tensor | null = null): [output: Tensor, h_n: Tensor] {
    const [output, states] = this.run(input, hx === null ? null : [hx]);
    return [output as Tensor, states[0]];
  }
}

export interface GRU {
  (input: PackedSequence, hx?: Tensor | null): [output: PackedSequence, h_n: Tensor];
}

/**
 * Gated recurrent units (Cho et al., 2014), with reset, update and new gates in this order: input (L, N, input_size) or
 * (L, input_size). Returns [outputs of all steps, last hidden state (layers · directions, N, hidden_size)].
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: calls are typed by the interface.
export class GRU extends RNNBase {
  constructor(...args: NetworkArguments<GRUOptions>) {
    refuseProjection(args);
    super("GRU", networkOptions("GRU", args, "", "") as Required<LSTMOptions>);
  }

  override forward(input: Tensor, hx: Tensor | null = null): [output: Tensor, h_n: Tensor] {
    const [output, states] = this.run(input, hx === null ? null : [hx]);
    return [output as Tensor, states[0]];
  }
}

/** Hidden and cell state of LSTM. */
export type LSTMState = [h_n: Tensor, c_n: Tensor];

export interface LSTM {
  (input: PackedSequence, hx?: readonly [Tensor, Tensor] | null): [output: PackedSequence, states: LSTMState];
}

/**
 * Long short-term memory (Hochreiter and Schmidhuber, 1997), with input, forget, cell and output gates in this order: input
 * (L, N, input_size) or (L, input_size), states [h₀, c₀], by default zeros. Returns [outputs of all steps, [h_n, c_n]].
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: calls are typed by the interface.
export class LSTM extends RNNBase {
  constructor(...args: NetworkArguments<LSTMOptions, [proj_size?: number]>) {
    super("LSTM", networkOptions("LSTM", args, "", ", int proj_size=0") as Required<LSTMOptions>);
  }

  override forward(input: Tensor, hx: readonly [Tensor, Tensor] | null = null): [output: Tensor, states: LSTMState] {
    const [output, [hidden, cell]] = this.run(input, hx);
    return [output as Tensor, [hidden, cell]];
  }
}
