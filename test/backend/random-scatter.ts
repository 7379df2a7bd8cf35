/** Random scatter kernels. */
import { type Axis, computeType } from "../../src/ir/expr.ts";
import type { ScatterKernel, ScatterMode } from "../../src/ir/kernel.ts";
import { dtypes, KernelBuilder, print, type Sample, sizes } from "./random-kernel.ts";

const modes: readonly ScatterMode[] = ["set", "add", "mul", "min", "max"];

/** The kernel of a seed. */
export function randomScatter(seed: number): Sample {
  const builder = new KernelBuilder(seed);
  const { random } = builder;
  const rank = random.below(4);
  const axes = Array.from(
    { length: rank },
    (_, i): Axis => builder.axis(`i${i}`, rank > 2 ? 1 + random.below(7) : random.pick(sizes)),
  );
  const dtype = random.pick(dtypes);
  const mode = random.pick(modes);
  // A product of many numbers overflows; what the order of two roundings does then has no bound.
  if (mode === "mul") builder.extremes = 0.02;
  // Some axes go to their own places, the others meet there.
  const own = axes.filter(() => random.chance(0.5));
  const [buffer, place] = builder.place(dtype, own, "readwrite", 0);
  const rows = 1 + random.below(9);
  const width = builder.data[buffer].values.length;
  builder.data[buffer].values = Array.from({ length: rows * width }, () => builder.value(dtype));
  const [row] = builder.positions(axes, rows);
  const index = row.mul(builder.param("i32", width)).add(place);
  const value = builder.expression(computeType(dtype), random.below(3), axes);
  const kernel: ScatterKernel = {
    form: "scatter",
    name: `random${seed}`,
    buffers: builder.buffers,
    params: builder.paramTypes,
    axes,
    mode,
    buffer,
    index,
    value,
  };
  return builder.sample(kernel, `scatter ${seed}: b${buffer}[${print(index)}] ${mode} ${print(value)}`);
}
