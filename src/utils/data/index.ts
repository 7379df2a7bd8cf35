/** `torch.utils.data`. */
export { type Collated, default_collate, default_convert } from "./collate.ts";
export { DataLoader, type DataLoaderOptions } from "./dataloader.ts";
export {
  ChainDataset,
  ConcatDataset,
  Dataset,
  type Indexable,
  IterableDataset,
  random_split,
  Subset,
  TensorDataset,
} from "./dataset.ts";
export {
  BatchSampler,
  type BatchSamplerArguments,
  RandomSampler,
  type RandomSamplerArguments,
  Sampler,
  SequentialSampler,
  SubsetRandomSampler,
  WeightedRandomSampler,
  type WeightedRandomSamplerArguments,
} from "./sampler.ts";

// Tensors have their methods whichever entry point is loaded.
import "../../ops/methods.ts";
