/** Products of matrices. A name gives m × n × k; NT means that the second matrix is stored transposed, TN that the first is. */
import * as torch from "../../src/index.ts";
import { expression, type Row, uniform } from "../row.ts";

type Form = "" | "NT" | "TN";

const forms = {
  "": { kindling: torch.matmul, pytorch: "torch.matmul(a, b)" },
  NT: { kindling: (a: torch.Tensor, b: torch.Tensor) => torch.matmul(a, b.t()), pytorch: "torch.matmul(a, b.t())" },
  TN: { kindling: (a: torch.Tensor, b: torch.Tensor) => torch.matmul(a.t(), b), pytorch: "torch.matmul(a.t(), b)" },
};

function product(name: string, [m, n, k]: readonly number[], form: Form, bar: number): Row {
  const { kindling, pytorch } = forms[form];
  return expression({
    name: form === "" ? name : `${name} ${form}`,
    inputs: { a: uniform(form === "TN" ? [k, m] : [m, k]), b: uniform(form === "NT" ? [n, k] : [k, n]) },
    kindling: ({ a, b }) => kindling(a, b),
    pytorch,
    bar,
    narrowBar: 0.5,
  });
}

/** A cube's edge, or m, n and k. */
function sgemm(size: number | readonly [number, number, number], bar: number, kinds: readonly Form[]): Row[] {
  const cube = typeof size === "number";
  const name = cube ? `sgemm ${size}³` : `sgemm ${size.join("×")}`;
  return kinds.map((form) => product(name, cube ? [size, size, size] : size, form, bar));
}

const LARGE = [128, 256, 512, 1024, 2048, [64, 3136, 576], [197, 768, 768], [32, 128, 784]] as const;
const SMALL = [64, 100, [16, 100, 150], [32, 10, 128]] as const;

export const products: readonly Row[] = [
  ...LARGE.flatMap((size) => sgemm(size, 1, ["", "NT", "TN"])),
  ...SMALL.flatMap((size) => sgemm(size, 0.9, [""])),
  product("gemv 1×4096×4096", [1, 4096, 4096], "", 0.9),
  product("gemv 1×4096×4096", [1, 4096, 4096], "NT", 0.9),
];
