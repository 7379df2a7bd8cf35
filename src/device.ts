/** Where a tensor's memory is. */
import { RuntimeError } from "./errors.ts";

/** A device, as `torch.device("cpu")` makes it. */
export class Device {
  readonly type: string;
  readonly index: number | null;
  constructor(type: string, index: number | null = null) {
    this.type = type;
    this.index = index;
  }
  toString(): string {
    return this.index === null ? this.type : `${this.type}:${this.index}`;
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.index === null ? `device(type='${this.type}')` : `device(type='${this.type}', index=${this.index})`;
  }
}

export const cpu: Device = new Device("cpu");

/** The device named by `spec`: "cpu", "cpu:0" or a Device. Others are known by name but not available here. */
export function device(spec: string | Device): Device {
  if (spec instanceof Device) return spec;
  if (typeof spec !== "string") throw new TypeError(`device(): argument 'device' must be str or device`);
  const match = /^([a-z]+)(?::(\d+))?$/.exec(spec);
  if (match === null) throw new RuntimeError(`Invalid device string: '${spec}'`);
  if (match[1] === "cpu") return match[2] === undefined ? cpu : new Device("cpu", Number(match[2]));
  if (!["cuda", "mps", "xpu", "webgpu", "meta"].includes(match[1])) {
    throw new RuntimeError(
      `Expected one of cpu, cuda, mps, xpu, webgpu, meta device type at start of device string: ${match[1]}`,
    );
  }
  return new Device(match[1], match[2] === undefined ? null : Number(match[2]));
}

/** Throws unless tensors can be made on `spec`. */
export function requireCpu(spec: string | Device | null | undefined): void {
  if (spec === null || spec === undefined) return;
  const wanted = device(spec);
  if (wanted.type !== "cpu") {
    throw new RuntimeError(`Kindling was not built with a backend for device '${wanted}': only "cpu" is available`);
  }
}
