/**
 * JavaScript reports dead objects between macrotasks only: a loop that never leaves its task, or awaits nothing but
 * settled promises, gets no finalizer run at all.
 */
let channel: MessageChannel | undefined;
const waiting: (() => void)[] = [];

/** Resolves in a new macrotask, without the delay of a timer. */
export function nextMacrotask(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") {
      setImmediate(resolve);
      return;
    }
    if (channel === undefined) {
      channel = new MessageChannel();
      channel.port1.onmessage = () => waiting.shift()?.();
    }
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
}
