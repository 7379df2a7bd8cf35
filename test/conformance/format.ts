/** Golden calls and values as text, for failure messages. */
import type { Golden, Sample, Values } from "./golden.ts";
import { elements, isTensor } from "./golden.ts";
import { publicName } from "./target.ts";

/** A value as Python would write it; tensors as `float32[2, 3]`, with strides where they are recorded. */
export function valueText(value: Golden): string {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(valueText).join(", ")}]`;
  if (typeof value !== "object") return typeof value === "string" ? `'${value}'` : String(value);
  if (isTensor(value)) {
    const layout = value.strides ? ` strides [${value.strides.join(", ")}] offset ${value.offset}` : "";
    return `${value.t}[${value.shape.join(", ")}]${layout}`;
  }
  if (value.int !== undefined) return value.int;
  if (value.float !== undefined) return Number.isInteger(value.float) ? `${value.float}.0` : String(value.float);
  if (value.dtype !== undefined) return `torch.${value.dtype}`;
  if (value.slice) return value.slice.map((s) => s ?? "").join(":");
  if (value.ellipsis) return "...";
  return `{${Object.entries(value.dict ?? {})
    .map(([k, v]) => `${k}: ${valueText(v)}`)
    .join(", ")}}`;
}

/** The call of a sample on one line. */
export function callText(sample: Sample): string {
  const args = sample.args.map(valueText);
  const kwargs = Object.entries(sample.kwargs).map(([k, v]) => `${k}=${valueText(v)}`);
  const name = publicName(sample.fn);
  if (sample.fn.startsWith("prop.")) return `${args[0]}.${sample.fn.slice(5)}`;
  if (sample.fn === "getitem") return `${args[0]}${args[1]}`;
  if (sample.fn.startsWith("Tensor."))
    return `${args[0]}.${sample.fn.slice(7)}(${[...args.slice(1), ...kwargs].join(", ")})`;
  return `${name.replace("torch.nn.functional.", "F.")}(${[...args, ...kwargs].join(", ")})`;
}

export function valuesText(values: Values, most = 60): string {
  const shown = Array.from(values as ArrayLike<number>, (v) => (Object.is(v, -0) ? "-0" : String(v))).slice(0, most);
  return `[${shown.join(", ")}${values.length > most ? `, … ${values.length} in all` : ""}]`;
}

/** Each tensor in an encoded value on a line of its own, with its elements. */
export function tensorLines(label: string, value: Golden, blob: Uint8Array): string[] {
  if (isTensor(value)) {
    const grad = value.grad ? " requires_grad" : "";
    return [`${label}: ${valueText(value)}${grad} ${value.novalue ? "" : valuesText(elements(value, blob))}`];
  }
  if (Array.isArray(value)) return value.flatMap((v, i) => tensorLines(`${label}[${i}]`, v, blob));
  return [`${label}: ${valueText(value)}`];
}
