/**
 * Differences from PyTorch that are meant, each with its reason. A sample is named by its id (`report.ts` prints it); an id of
 * "*" stands for all samples of the op. An entry that no longer fails is reported, so that it can go.
 */
export interface KnownFailure {
  op: string;
  sample: string;
  reason: string;
}

export const knownFailures: KnownFailure[] = [];
