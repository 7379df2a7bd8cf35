/** The most memory that tensors which can be reached take in a training step. */
import {
  makeGpt,
  makeLeNet,
  makeMlp,
  makeResNet18,
  type Training,
  trainingStep,
} from "../../bench/networks/kindling.ts";
import * as torch from "../../src/index.ts";
import { heap } from "../../src/storage/storage.ts";

const VOCABULARY = 65;
const CONTEXT = 128;

type Program = () => Promise<readonly [Training, torch.Tensor, torch.Tensor]>;

const images = (batch: number, channels: number, size: number, classes: number) =>
  [torch.rand(batch, channels, size, size), torch.randint(0, classes, [batch])] as const;
const tokens = (): torch.Tensor => torch.randint(0, VOCABULARY, [8, CONTEXT]);

/** The programs of tools/golden-memory.py. */
export const programs: Readonly<Record<string, Program>> = {
  "LeNet, batch 4": async () => [makeLeNet(), ...images(4, 1, 32, 10)],
  "LeNet, batch 64": async () => [makeLeNet(), ...images(64, 1, 32, 10)],
  "MLP, batch 128": async () => [makeMlp(), torch.rand(128, 784), torch.randint(0, 10, [128])],
  "GPT, batch 8": async () => [makeGpt(VOCABULARY, CONTEXT), tokens(), tokens()],
  "ResNet-18, batch 16 at 64": async () => [await makeResNet18(), ...images(16, 3, 64, 1000)],
  "ResNet-18, batch 8 at 224": async () => [await makeResNet18(), ...images(8, 3, 224, 1000)],
};

export interface Peak {
  /** Bytes of tensors that could be reached, at most, in the third step. */
  readonly reachable: number;
  /** Bytes by which the WebAssembly memory has grown after `steps` ordinary steps. */
  readonly reserved: number;
}

/** Asks before each allocation of this size what is reachable, so that garbage does not count. */
const ASKED = 16384;

/** A collection that was under way already may take the newly dead for alive; so may what the last launch has used. */
function emptyAll(): void {
  for (let i = 0; i < 2; i++) {
    torch.zeros(1).add(1);
    torch.empty_cache();
  }
}

export async function peakOf(program: Program, steps: number): Promise<Peak> {
  emptyAll();
  const others = torch.memory_allocated();
  const reservedBefore = torch.memory_reserved();
  const [training, input, target] = await program();
  const step = trainingStep(training, input, target);
  for (let i = 0; i < steps; i++) step();
  const reserved = torch.memory_reserved() - reservedBefore;
  const allocate = heap.allocate;
  heap.allocate = (bytes) => {
    if (bytes >= ASKED) heap.collect(true);
    return allocate.call(heap, bytes);
  };
  try {
    emptyAll();
    torch.reset_peak_memory_stats();
    step();
  } finally {
    heap.allocate = allocate;
  }
  return { reachable: torch.max_memory_allocated() - others, reserved };
}
