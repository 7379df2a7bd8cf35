/** The history of operations that cannot be differentiated. */
import { RuntimeError } from "../errors.ts";
import { type Gradients, Node } from "./node.ts";
import type { Edge } from "./record.ts";

export class NotImplementedNode extends Node {
  readonly outputCount = 1;
  // Runs as soon as it can: nothing else need be done before the error.
  override readonly sequenceNumber: number = Number.POSITIVE_INFINITY;
  private readonly operation: string;
  constructor(operation: string, edges: readonly (Edge | null)[]) {
    super(
      edges.map((edge) => edge?.node ?? null),
      edges.map((edge) => edge?.output ?? 0),
    );
    this.operation = operation;
  }
  override name(): string {
    return "NotImplemented";
  }
  override apply(): Gradients {
    throw new RuntimeError(`derivative for ${this.operation} is not implemented`);
  }
}
