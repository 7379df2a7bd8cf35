/** `torch.hub`: files of weights from the web. https://pytorch.org/docs/stable/hub.html */
import { NotImplementedError } from "../errors.ts";
import type { LoadOptions } from "../serialization/load.ts";

/** Show how a download proceeds on stderr, or a function that is told the bytes received and, if known, their number. */
export type ProgressOption = boolean | ((received: number, total: number | null) => void);

export interface StateDictOptions {
  /** Where the file is stored. Default: the folder `checkpoints` in `get_dir()`. */
  readonly model_dir?: string | null;
  readonly map_location?: LoadOptions["map_location"];
  /** Default true. */
  readonly progress?: ProgressOption;
  /** Check the file against the first digits of its SHA-256 digest, which its name ends with: `name-<digits>.ext`. */
  readonly check_hash?: boolean;
  /** The name of the stored file. Default: the last part of the address. */
  readonly file_name?: string | null;
}

/** Loads the file of tensors at a web address, which is downloaded unless it is in the cache. */
export async function load_state_dict_from_url(url: string, _options: StateDictOptions = {}): Promise<unknown> {
  throw new NotImplementedError(`downloading ${url} is not there yet`);
}
