/**
 * Saves checkpoints to a file without end, for `kill.ts` to stop it at some moment:
 *
 *   node test/serialization/save-loop.ts FILE
 *
 * Each checkpoint holds one number in all its tensors. Prints a line when the first is saved.
 */
import * as torch from "../../src/index.ts";

const path = process.argv[2];
for (let i = 1; ; i++) {
  const tensors = Array.from({ length: 20 }, () => torch.full([50, 100], i));
  await torch.save({ i, tensors }, path);
  if (i === 1) console.log("saved");
}
