/** All rows, in the order of the table. */
import type { Row } from "../row.ts";
import { convolutions } from "./convolution.ts";
import { elementwise } from "./elementwise.ts";
import { products } from "./products.ts";
import { reductions } from "./reductions.ts";
import { routines } from "./routines.ts";
import { rowwise } from "./rowwise.ts";
import { small } from "./small.ts";
import { training } from "./training.ts";

export const rows: readonly Row[] = [
  ...training,
  ...small,
  ...products,
  ...convolutions,
  ...elementwise,
  ...reductions,
  ...rowwise,
  ...routines,
];
