/** Matrix products. */
import * as torch from "../../src/index.ts";
import { type Row, uniform } from "../row.ts";

function product(m: number, k: number, n: number, name = `matmul ${m}×${k} · ${k}×${n}`): Row {
  return {
    name,
    inputs: { a: uniform([m, k]), b: uniform([k, n]) },
    kindling:
      ({ a, b }) =>
      () =>
        torch.matmul(a, b),
    pytorch: "torch.matmul(a, b)",
  };
}

const square = (n: number): Row => product(n, n, n, `matmul ${n}³`);

export const matmul: readonly Row[] = [
  square(64),
  square(128),
  square(256),
  square(512),
  product(4, 400, 120),
  product(64, 400, 120),
];
