// Files from the hub with progress: before a command that needs a model, or as the command rlvr download.
import { exitStatus, RlvrError } from "../errors.ts";
import { localModel } from "../hub/hub-model.ts";
import { modelFiles } from "../hub/model-files.ts";
import { parseRepository } from "../hub/repository.ts";
import { hubSnapshot, type SnapshotOptions } from "../hub/snapshot.ts";
import { bytes, type Console, duration } from "./console.ts";
import { interruptSignal } from "./interrupt.ts";
import { LiveLine } from "./live-line.ts";

export interface DownloadArguments {
  readonly repository: string;
  readonly isDataset: boolean;
}

/** Brings a model, or every file of a data set, into the cache and prints its folder. */
export async function download(args: DownloadArguments, console: Console): Promise<number> {
  const repository = parseRepository(args.repository, args.isDataset ? "dataset" : "model");
  if (repository === undefined) {
    throw new RlvrError(
      "RLVR_USAGE",
      `[download] "${args.repository}" is no id; expected owner/name or owner/name@revision`,
    );
  }
  const choose = args.isDataset ? (paths: readonly string[]) => paths : modelFiles(repository.id);
  const result = await withProgress(console, (options) => hubSnapshot(repository, choose, options));
  console.result(result, result.folder);
  return exitStatus.ok;
}

/** Makes a config's model present, with progress when it comes from the hub. */
export async function fetchModel(model: string, console: Console): Promise<string> {
  return await withProgress(console, (options) => localModel(model, options));
}

async function withProgress<T>(console: Console, action: (options: SnapshotOptions) => Promise<T>): Promise<T> {
  const line = new DownloadLine(console);
  const { signal, release } = interruptSignal(() => console.log("stopping; what has arrived is kept"));
  try {
    return await action({
      signal,
      onProgress: (done, total, file) => line.show(done, total, file),
      onMessage: (message) => console.warn(message),
    });
  } finally {
    line.stop();
    release();
  }
}

const plainIntervalMs = 15_000; // off a terminal

/** One live line with speed and ETA, or now and then a plain one. */
class DownloadLine {
  readonly #console: Console;
  readonly #start = performance.now();
  readonly #live = process.stderr.isTTY ? new LiveLine() : undefined;
  #first: number | undefined;
  #lastPlain = performance.now();

  constructor(console: Console) {
    this.#console = console;
  }

  show(done: number, total: number, file: string): void {
    this.#first ??= done; // what an earlier run left does not count as speed
    const speed = (done - this.#first) / Math.max(0.001, (performance.now() - this.#start) / 1000);
    const eta = speed > 0 ? duration((total - done) / speed) : "?";
    const what = `downloading ${file}`;
    const rest = `${bytes(done)} of ${bytes(total)}, ${bytes(speed)}/s, ETA ${eta}`;
    if (this.#live !== undefined) {
      if (done < total) this.#live.show(what, done, total, rest);
    } else if (performance.now() - this.#lastPlain >= plainIntervalMs) {
      this.#lastPlain = performance.now();
      this.#console.log(`${what}: ${rest}`);
    }
  }

  stop(): void {
    this.#live?.clear();
  }
}
