/** `torchvision.datasets`. */
export { CIFAR10, CIFAR100, type CIFARLoadOptions, type CIFAROptions } from "./cifar.ts";
export type { Progress } from "./download.ts";
export { FakeData, type FakeDataOptions } from "./fake.ts";
export {
  DatasetFolder,
  type DatasetFolderOptions,
  default_loader,
  type FolderSample,
  find_classes,
  IMG_EXTENSIONS,
  ImageFolder,
  make_dataset,
} from "./folder.ts";
export { read_idx } from "./idx.ts";
export { FashionMNIST, KMNIST, MNIST, type MNISTLoadOptions, type MNISTOptions } from "./mnist.ts";
export { StandardTransform, type Transforms, VisionDataset, type VisionDatasetOptions } from "./vision.ts";

// Tensors have their methods whichever entry point is loaded.
import "../../ops/methods.ts";
