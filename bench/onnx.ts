/**
 * Makes ONNX models: graphs of operators with their weights, in the protobuf messages of
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (the field numbers below are from there).
 */

/** A protobuf message under construction. Undefined fields are left out. */
class Message {
  private readonly parts: Uint8Array[] = [];

  /** A number, a text, bytes or a message; of an array each element. */
  field(number: number, value: FieldValue | readonly FieldValue[] | undefined): this {
    if (value === undefined) return this;
    if (Array.isArray(value)) {
      for (const element of value as readonly FieldValue[]) this.field(number, element);
    } else if (typeof value === "number" || typeof value === "bigint") {
      this.varint(number << 3);
      this.varint(value);
    } else {
      const bytes = bytesOf(value as string | Uint8Array | Message);
      this.varint((number << 3) | 2);
      this.varint(bytes.length);
      this.parts.push(bytes);
    }
    return this;
  }

  /** A 32-bit float. */
  float(number: number, value: number): this {
    this.varint((number << 3) | 5);
    this.parts.push(new Uint8Array(new Float32Array([value]).buffer));
    return this;
  }

  private varint(value: number | bigint): void {
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
    bytes.push(Number(rest));
    this.parts.push(Uint8Array.from(bytes));
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.parts.reduce((n, part) => n + part.length, 0));
    let at = 0;
    for (const part of this.parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

type FieldValue = number | bigint | string | Uint8Array | Message;

function bytesOf(value: string | Uint8Array | Message): Uint8Array {
  if (typeof value === "string") return new TextEncoder().encode(value);
  return value instanceof Message ? value.bytes() : value;
}

const FLOAT = 1;
const INT64 = 7;
const IR_VERSION = 9;
const OPSET = 20;

type ArrayData = Float32Array | BigInt64Array;

function elementType(data: ArrayData): number {
  return data instanceof Float32Array ? FLOAT : INT64;
}

/** An attribute: a whole number is an `int`, any other a `float`; say `{ float: 1 }` where a whole number is meant as one. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

function attributeMessage(name: string, value: Attribute): Message {
  const message = new Message().field(1, name);
  if (typeof value === "string") return message.field(4, value).field(20, 3);
  if (typeof value === "object" && "float" in value) return message.float(2, value.float).field(20, 1);
  if (typeof value === "object") return message.field(8, value).field(20, 7);
  return Number.isInteger(value) ? message.field(3, value).field(20, 2) : message.float(2, value).field(20, 1);
}

export class Graph {
  private readonly nodes: Message[] = [];
  private readonly inputs: Message[] = [];
  private readonly initializers: Message[] = [];
  private names = 0;

  /** A value that is given with each run. */
  input(name: string, shape: readonly number[], data: ArrayData): string {
    this.inputs.push(valueInfo(name, elementType(data), shape));
    return name;
  }

  /** A value that is part of the model. */
  constant(shape: readonly number[], data: ArrayData): string {
    const name = `constant${this.names++}`;
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const dims = shape.map((size) => size);
    this.initializers.push(new Message().field(1, dims).field(2, elementType(data)).field(8, name).field(9, raw));
    return name;
  }

  /** A vector of whole numbers, as shapes and axes are given. */
  integers(...values: readonly number[]): string {
    return this.constant([values.length], BigInt64Array.from(values, BigInt));
  }

  /** Applies an operator; gives the name of its first result. */
  apply(operator: string, inputs: readonly string[], attributes: Named = {}): string {
    const output = `value${this.names++}`;
    const list = Object.entries(attributes).map(([name, value]) => attributeMessage(name, value));
    this.nodes.push(new Message().field(1, inputs).field(2, output).field(4, operator).field(5, list));
    return output;
  }

  /** The model's file. */
  model(output: string): Uint8Array {
    const graph = new Message()
      .field(1, this.nodes)
      .field(2, "benchmark")
      .field(5, this.initializers)
      .field(11, this.inputs)
      .field(12, valueInfo(output, FLOAT));
    const opset = new Message().field(1, "").field(2, OPSET);
    return new Message().field(1, IR_VERSION).field(7, graph).field(8, opset).bytes();
  }
}

type Named = Readonly<Record<string, Attribute>>;

function valueInfo(name: string, type: number, shape?: readonly number[]): Message {
  const dims = shape?.map((size) => new Message().field(1, size));
  const tensor = new Message().field(1, type).field(2, dims && new Message().field(1, dims));
  return new Message().field(1, name).field(2, new Message().field(1, tensor));
}
