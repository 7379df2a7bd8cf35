/** The flags of the demo. */
import { parseArgs } from "node:util";

export interface Options {
  epochs: number;
  batch_size: number;
  lr: number;
  seed: number;
  /** Train on a part of the digits only. */
  quick: boolean;
}

const HELP = `Trains the network of the notes on the MNIST digits and writes a page about it.

  npm run demo -- [flags]

  --epochs N       how many times to read the training digits   (2)
  --batch-size N   digits in a step                             (64)
  --lr X           the highest learning rate of the schedule    (0.05)
  --seed N         seed of the weights and of the order         (0)
  --quick          one epoch over 12,000 digits: under a minute
  --help           this text`;

/** Reads the flags; ends the program for `--help` and for flags that are not there. */
export function readOptions(args: string[]): Options {
  try {
    const { values } = parseArgs({
      args,
      options: {
        epochs: { type: "string" },
        "batch-size": { type: "string" },
        lr: { type: "string" },
        seed: { type: "string" },
        quick: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(HELP);
      process.exit(0);
    }
    return {
      epochs: positive("epochs", values.epochs ?? (values.quick ? "1" : "2"), true),
      batch_size: positive("batch-size", values["batch-size"] ?? "64", true),
      lr: positive("lr", values.lr ?? "0.05", false),
      seed: seed(values.seed ?? "0"),
      quick: values.quick,
    };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
}

function positive(flag: string, text: string, whole: boolean): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value)) || (whole && !Number.isSafeInteger(value))) {
    throw new Error(`--${flag} must be a positive ${whole ? "whole " : ""}number, not '${text}'`);
  }
  return value;
}

function seed(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value))
    throw new Error(`--seed must be a whole number, not '${text}'`);
  return value;
}
