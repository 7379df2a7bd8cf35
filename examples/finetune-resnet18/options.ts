/** The flags of the example. */
import { parseArgs } from "node:util";

export interface Options {
  /** A folder with train/CLASS/*.png and val/CLASS/*.png; null for the digits that npm has installed. */
  data: string | null;
  /** "DEFAULT" for torchvision's from ImageNet, or a checkpoint file; null for the one beside this program. */
  weights: string | null;
  epochs: number;
  lr: number;
  seed: number;
  quick: boolean;
}

const HELP = `Fine-tunes a pretrained ResNet-18: freezes it, gives it a new last layer, and trains that.

  npm run example finetune-resnet18 -- [flags]

  --data FOLDER    your pictures: FOLDER/train/CLASS/*.png and FOLDER/val/CLASS/*.png (.jpg needs the package sharp)
  --weights NAME   DEFAULT downloads torchvision's ImageNet weights; or a checkpoint file of a ResNet-18
  --epochs N       how many times to go through the pictures   (3)
  --lr X           learning rate                               (0.01)
  --seed N         seed of the new layer and of the order      (0)
  --quick          few pictures: under half a minute
  --help           this text`;

/** Reads the flags; ends the program for `--help` and for flags that are not there. */
export function readOptions(args: string[]): Options {
  try {
    const { values } = parseArgs({
      args,
      options: {
        data: { type: "string" },
        weights: { type: "string" },
        epochs: { type: "string", default: "3" },
        lr: { type: "string", default: "0.01" },
        seed: { type: "string", default: "0" },
        quick: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(HELP);
      process.exit(0);
    }
    const { data = null, weights = null, quick } = values;
    const epochs = number("epochs", values.epochs, (n) => Number.isSafeInteger(n) && n > 0);
    const lr = number("lr", values.lr, (n) => n > 0 && Number.isFinite(n));
    const seed = number("seed", values.seed, Number.isSafeInteger);
    return { data, weights, epochs, lr, seed, quick };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
}

function number(flag: string, text: string, isValid: (n: number) => boolean): number {
  const value = Number(text);
  if (text.trim() === "" || !isValid(value)) throw new Error(`--${flag} cannot be '${text}'`);
  return value;
}
