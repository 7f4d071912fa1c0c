// rlvr pretrain: makes the embedded model's weights from nothing.
import { embeddedModelPath } from "../config/load.ts";
import { nearest } from "../config/nearest.ts";
import { type PretrainOptions, pretrainDefaults, pretrainEmbedded } from "../embedded/pretrain.ts";
import { exitStatus, RlvrError } from "../errors.ts";
import { type Console, duration } from "./console.ts";
import { interruptSignal } from "./interrupt.ts";

// Off a terminal, and on one, a line every so many steps says enough.
const stepsPerLine = 25;

export async function pretrain(
  output: string | undefined,
  overrides: readonly string[],
  console: Console,
): Promise<number> {
  const options: PretrainOptions = {
    ...pretrainDefaults,
    ...pretrainOverrides(overrides),
    output: output ?? embeddedModelPath(),
  };
  const { signal, release } = interruptSignal(() => console.log("stopping; nothing is written"));
  const start = performance.now();
  try {
    const result = await pretrainEmbedded(options, {
      signal,
      onProgress: ({ step, steps, loss, learningRate }) => {
        if (step % stepsPerLine !== 0 && step !== steps) return;
        const remaining = ((performance.now() - start) / 1000 / step) * (steps - step);
        console.log(
          `step ${step}/${steps}  loss ${loss.toFixed(4)}  lr ${learningRate.toExponential(1)}  ETA ${duration(remaining)}`,
        );
      },
    });
    const text = `${result.folder}: ${result.parameters} parameters, loss ${result.loss.toFixed(4)}, sha256 ${result.sha256}`;
    console.result(result, text);
    return exitStatus.ok;
  } finally {
    release();
  }
}

/** `key=value` for the numbers of the recipe, with the keys of a config: careful_steps=400. */
export function pretrainOverrides(overrides: readonly string[]): Partial<typeof pretrainDefaults> {
  const keys = new Map(
    Object.keys(pretrainDefaults).map((key) => [key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), key]),
  );
  const known = [...keys.keys()];
  const mistakes: string[] = [];
  const values: Record<string, number> = {};
  for (const override of overrides) {
    const [name = "", text = ""] = override.split("=", 2);
    const key = keys.get(name);
    if (key === undefined) {
      const meant = nearest(name, known);
      mistakes.push(
        `${name}: unknown key; ${meant === undefined ? `known: ${known.join(", ")}` : `did you mean ${meant}?`}`,
      );
    } else if (text.trim() === "" || !(Number(text) >= 0)) {
      mistakes.push(`${name}: got ${JSON.stringify(text)}; expected a number from 0`);
    } else values[key] = Number(text);
  }
  if (mistakes.length > 0) {
    throw new RlvrError(
      "RLVR_USAGE",
      `[pretrain] ${mistakes
        .map((line) => `\n  ${line}`)
        .join("")
        .trimStart()}`,
    );
  }
  return values as Partial<typeof pretrainDefaults>;
}
