/** Single steps of recurrent networks: https://pytorch.org/docs/stable/nn.html#recurrent-layers */
import { RuntimeError, ValueError } from "../../errors.ts";
import { empty, zeros } from "../../ops/creation.ts";
import { type RecurrentMode, recurrentLayer } from "../../ops/recurrent.ts";
import { pythonRepr } from "../../print/index.ts";
import { shapeText } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import * as init from "../init.ts";
import { Module } from "../module.ts";
import { type Arguments, FACTORY, type FactoryOptions, layerArguments } from "../options.ts";
import { Parameter } from "../parameter.ts";

export interface CellOptions extends FactoryOptions {
  readonly input_size: number;
  readonly hidden_size: number;
  /** Learn two additive biases. Default true. */
  readonly bias?: boolean;
}

export interface RNNCellOptions extends CellOptions {
  /** "tanh" (the default) or "relu". */
  readonly nonlinearity?: "tanh" | "relu";
}

type CellArguments = Arguments<CellOptions, [input_size: number, hidden_size: number], [bias?: boolean]>;

/** The base of single steps. */
export abstract class RNNCellBase extends Module {
  input_size: number;
  hidden_size: number;
  bias: boolean;
  /** (gates · hidden_size, input_size). */
  weight_ih: Parameter;
  /** (gates · hidden_size, hidden_size). */
  weight_hh: Parameter;
  bias_ih: Parameter | null;
  bias_hh: Parameter | null;

  protected constructor({ input_size, hidden_size, bias, dtype, device }: Required<CellOptions>, gates: number) {
    super();
    const make = (...shape: number[]): Parameter => new Parameter(empty(shape, { dtype, device }));
    this.input_size = input_size;
    this.hidden_size = hidden_size;
    this.bias = bias;
    this.weight_ih = make(gates * hidden_size, input_size);
    this.weight_hh = make(gates * hidden_size, hidden_size);
    this.bias_ih = bias ? make(gates * hidden_size) : null;
    this.bias_hh = bias ? make(gates * hidden_size) : null;
    this.reset_parameters();
  }

  /** Uniform in ±1/√hidden_size. */
  reset_parameters(): void {
    const bound = this.hidden_size > 0 ? 1 / Math.sqrt(this.hidden_size) : 0;
    for (const weight of this.parameters()) init.uniform_(weight, -bound, bound);
  }

  /** One step. `states` are the given states, hidden and, in LSTM, cell. */
  protected step(mode: RecurrentMode, input: Tensor, states: readonly Tensor[] | null): Tensor[] {
    const name = this.className();
    if (input.dim() !== 1 && input.dim() !== 2) {
      throw new ValueError(`${name}: Expected input to be 1D or 2D, got ${input.dim()}D instead`);
    }
    states?.forEach((state, i) => {
      if (state.dim() === 1 || state.dim() === 2) return;
      const what = mode === "LSTM" ? `hx[${i}]` : "hidden";
      throw new ValueError(`${name}: Expected ${what} to be 1D or 2D, got ${state.dim()}D instead`);
    });
    const batched = input.dim() === 2;
    const x = batched ? input : input.unsqueeze(0);
    if (x.size(1) !== this.input_size) {
      throw new RuntimeError(`input has inconsistent input_size: got ${x.size(1)} expected ${this.input_size}`);
    }
    const count = mode === "LSTM" ? 2 : 1;
    const first = Array.from({ length: count }, (_, i) => {
      if (states === null) return zeros([x.size(0), this.hidden_size], { dtype: x.dtype });
      const state = batched ? states[i] : states[i].unsqueeze(0);
      if (state.size(0) !== x.size(0)) {
        throw new RuntimeError(`Input batch size ${x.size(0)} doesn't match hidden${i} batch size ${state.size(0)}`);
      }
      if (state.size(1) !== this.hidden_size) {
        throw new RuntimeError(
          `hidden${i} has inconsistent hidden_size: got ${state.size(1)}, expected ${this.hidden_size} (shape ${shapeText(state.shape)})`,
        );
      }
      return state;
    });
    const weights = { ih: this.weight_ih, hh: this.weight_hh, biasIh: this.bias_ih, biasHh: this.bias_hh, hr: null };
    const result = recurrentLayer(mode, x, weights, first[0], first[1] ?? null, [x.size(0)], false);
    const results = result.cell === null ? [result.hidden] : [result.hidden, result.cell];
    return batched ? results : results.map((r) => r.squeeze(0));
  }

  override extra_repr(): string {
    return `${this.input_size}, ${this.hidden_size}${this.bias ? "" : ", bias=False"}`;
  }
}

const SIGNATURE = "int input_size, int hidden_size, bool bias=True";

function cellOptions(name: string, args: readonly unknown[]): Required<CellOptions> {
  return layerArguments<CellOptions>(`${name}.__init__(${SIGNATURE}, ${FACTORY})`, args);
}

/** A step of Elman's network: input (N, input_size) and hidden state (N, hidden_size) give the next hidden state. */
export class RNNCell extends RNNCellBase {
  nonlinearity: "tanh" | "relu";

  constructor(
    ...args: Arguments<
      RNNCellOptions,
      [input_size: number, hidden_size: number],
      [bias?: boolean, nonlinearity?: "tanh" | "relu"]
    >
  ) {
    const options = layerArguments<RNNCellOptions>(
      `RNNCell.__init__(${SIGNATURE}, str nonlinearity="tanh", ${FACTORY})`,
      args,
    );
    super(options, 1);
    this.nonlinearity = options.nonlinearity;
  }

  override forward(input: Tensor, hx: Tensor | null = null): Tensor {
    const { nonlinearity } = this;
    if (nonlinearity !== "tanh" && nonlinearity !== "relu") {
      throw new RuntimeError(`Unknown nonlinearity: ${nonlinearity}`);
    }
    return this.step(nonlinearity === "relu" ? "RNN_RELU" : "RNN_TANH", input, hx === null ? null : [hx])[0];
  }

  override extra_repr(): string {
    const { nonlinearity } = this;
    return (
      super.extra_repr() + (nonlinearity === "tanh" ? "" : `, nonlinearity=${pythonRepr(nonlinearity).slice(1, -1)}`)
    );
  }
}

/** A step of LSTM: input (N, input_size) and states [h, c] give the next states. */
export class LSTMCell extends RNNCellBase {
  constructor(...args: CellArguments) {
    super(cellOptions("LSTMCell", args), 4);
  }

  override forward(input: Tensor, hx: readonly [Tensor, Tensor] | null = null): [h: Tensor, c: Tensor] {
    return this.step("LSTM", input, hx) as [Tensor, Tensor];
  }
}

/** A step of GRU: input (N, input_size) and hidden state (N, hidden_size) give the next hidden state. */
export class GRUCell extends RNNCellBase {
  constructor(...args: CellArguments) {
    super(cellOptions("GRUCell", args), 3);
  }

  override forward(input: Tensor, hx: Tensor | null = null): Tensor {
    return this.step("GRU", input, hx === null ? null : [hx])[0];
  }
}
