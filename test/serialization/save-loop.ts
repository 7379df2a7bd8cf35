/**
 * Saves checkpoints to a file without end, for `kill.ts` to stop it at some moment:
 *
 *   node test/serialization/save-loop.ts FILE
 *
 * Each checkpoint holds one number in all its tensors. Prints a line when the first is saved.
 */
// Not the whole of torch: starting is most of what a round takes.
import { full } from "../../src/ops/creation.ts";
import { save } from "../../src/serialization/save.ts";

const path = process.argv[2];
for (let i = 1; ; i++) {
  const tensors = Array.from({ length: 20 }, () => full([50, 100], i));
  await save({ i, tensors }, path);
  if (i === 1) console.log("saved");
}
