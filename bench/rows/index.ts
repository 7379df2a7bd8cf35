/** All rows, in groups, in the order of the table. */
import type { Row } from "../row.ts";
import { convolutions } from "./convolution.ts";
import { elementwise } from "./elementwise.ts";
import { products, smallProducts } from "./products.ts";
import { reductions } from "./reductions.ts";
import { routines } from "./routines.ts";
import { rowwise } from "./rowwise.ts";
import { small } from "./small.ts";
import { training } from "./training.ts";

export interface Group {
  readonly title: string;
  readonly rows: readonly Row[];
}

const withGradients = (row: Row) => row.name.endsWith("forward and backward");
const forwardOnly = (row: Row) => !withGradients(row);

export const groups: readonly Group[] = [
  { title: "networks", rows: training },
  { title: "calls on 4 elements", rows: small },
  { title: "matrix products", rows: products },
  { title: "small and thin products", rows: smallProducts },
  { title: "convolutions", rows: convolutions.filter(forwardOnly) },
  { title: "convolutions with gradients", rows: convolutions.filter(withGradients) },
  { title: "elementwise", rows: elementwise },
  { title: "reductions", rows: reductions },
  { title: "softmax, norms, pooling", rows: rowwise.filter(forwardOnly) },
  { title: "softmax, norms, pooling with gradients", rows: rowwise.filter(withGradients) },
  { title: "scan, sort, gather", rows: routines },
];

export const rows: readonly Row[] = groups.flatMap((group) => group.rows);
