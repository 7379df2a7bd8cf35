/** Kindling as a contender: in this process. */
import { readFileSync } from "node:fs";
import { setImmediate as macrotask } from "node:timers/promises";
import * as torch from "../src/index.ts";
import { type Contender, type Prepared, type ResultSample, STRETCH, sampleStride } from "./contender.ts";
import { classes, floats, numbered } from "./data.ts";
import type { Inputs, Output, Row } from "./row.ts";

function makeInputs(inputs: Inputs): Record<string, torch.Tensor> {
  return Object.fromEntries(
    numbered(inputs).map(([name, input, seed]) => {
      const values = input.classes === undefined ? floats(input, seed) : classes(input, seed);
      return [name, torch.tensor(values).reshape([...input.shape])];
    }),
  );
}

function sampleOf(tensor: torch.Tensor): ResultSample {
  const flat = tensor.detach().reshape([-1]).to(torch.float64).typed_array() as Float64Array;
  const stride = sampleStride(flat.length);
  const values: (number | null)[] = [];
  for (let i = 0; i < flat.length; i += stride) values.push(Number.isFinite(flat[i]) ? flat[i] : null);
  return { shape: [...tensor.shape], values };
}

function time(step: () => Output, calls: number): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < calls; i++) step();
  return Number(process.hrtime.bigint() - start);
}

class KindlingRow implements Prepared {
  private readonly step: () => Output;
  private calls = 1;
  constructor(step: () => Output) {
    this.step = step;
  }
  async results(): Promise<readonly ResultSample[]> {
    this.step();
    this.step();
    const output = this.step();
    return (Array.isArray(output) ? [...(output as readonly torch.Tensor[])] : [output as torch.Tensor]).map(sampleOf);
  }
  async measure(milliseconds: number): Promise<readonly number[]> {
    const times: number[] = [];
    let left = milliseconds * 1e6;
    while (left > 0 || times.length === 0) {
      const elapsed = time(this.step, this.calls);
      left -= elapsed;
      if (elapsed < STRETCH / 2) this.calls *= 2;
      else {
        times.push(elapsed / this.calls);
        if (elapsed > STRETCH * 2 && this.calls > 1) this.calls = Math.ceil(this.calls / 2);
      }
      // Between the stretches, as between the batches of a DataLoader: finalizers of dead tensors run here.
      await macrotask();
    }
    return times;
  }
}

export function kindling(): Contender {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return {
    name: "Kindling",
    description: `Kindling ${version}, Node ${process.versions.node} (V8 ${process.versions.v8})`,
    async prepare(row: Row): Promise<Prepared> {
      torch.manual_seed(0);
      return new KindlingRow(await row.kindling(makeInputs(row.inputs)));
    },
    close() {},
  };
}
