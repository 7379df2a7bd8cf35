/** All rows, in the order of the table. */
import type { Row } from "../row.ts";
import { elementwise } from "./elementwise.ts";
import { layers } from "./layers.ts";
import { matmul } from "./matmul.ts";
import { small } from "./small.ts";
import { training } from "./training.ts";

export const rows: readonly Row[] = [...small, ...matmul, ...elementwise, ...layers, ...training];
