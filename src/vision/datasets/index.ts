/** `torchvision.datasets`. */
export type { Progress } from "./download.ts";
export { read_idx } from "./idx.ts";
export { FashionMNIST, KMNIST, MNIST, type MNISTLoadOptions, type MNISTOptions } from "./mnist.ts";

// Tensors have their methods whichever entry point is loaded.
import "../../ops/methods.ts";
