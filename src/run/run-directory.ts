// A run's folder: config, metrics, completions, checkpoints, behind a lock. Its layout is the same for every run.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { RlvrError } from "../errors.ts";
import { type Checkpoint, listCheckpoints, newestCheckpoint, publishCheckpoint } from "./checkpoints.ts";
import { JsonLinesFile, makeFolder, sweepTemporary, writeFileWhole } from "./files.ts";
import { lockPath } from "./lock.ts";
import type { CompletionRecord, StepMetrics } from "./records.ts";

/** The files of a run directory. */
export const runFiles = {
  config: "config.yaml",
  metrics: "metrics.jsonl",
  completions: "completions.jsonl",
  checkpoints: "checkpoints",
  selection: "selection.jsonl",
  filter: "filter.jsonl",
  adapter: "adapter",
  summary: "summary.json",
  report: "report.html",
} as const;

export interface OpenOptions {
  /** Continue from the newest intact checkpoint; without one the run starts at step 0. */
  readonly resume?: boolean;
  readonly onMessage?: (message: string) => void;
}

/** An open run directory. Only one process has it open at a time. */
export class RunDirectory implements AsyncDisposable {
  readonly folder: string;
  /** The checkpoint that the run continues from. */
  readonly resumedFrom: Checkpoint | undefined;
  readonly #metrics: JsonLinesFile;
  readonly #completions: JsonLinesFile;
  readonly #release: () => Promise<void>;

  private constructor(
    folder: string,
    resumedFrom: Checkpoint | undefined,
    files: readonly [JsonLinesFile, JsonLinesFile],
    release: () => Promise<void>,
  ) {
    this.folder = folder;
    this.resumedFrom = resumedFrom;
    [this.#metrics, this.#completions] = files;
    this.#release = release;
  }

  /**
   * Opens `folder` for a run. Without `resume` it must not hold a run yet. Metrics and completions later than the
   * checkpoint are cut off. Throws RLVR_LOCKED when another process has it, naming that process.
   */
  static async open(folder: string, { resume = false, onMessage = () => {} }: OpenOptions = {}): Promise<RunDirectory> {
    await makeFolder(folder);
    const release = await lockPath(folder, {
      lockfile: join(folder, ".lock"),
      holderFile: join(folder, ".lock-holder.json"),
      instead: "name another folder: output.dir=…",
      onMessage,
    });
    try {
      if (!resume && (await holdsRun(folder))) {
        throw new RlvrError(
          "RLVR_IO",
          `[run] ${folder} already holds a run. Continue it with --resume, or name another folder: output.dir=…`,
        );
      }
      for (const name of await sweepTemporary(folder))
        onMessage(`removed ${name}, which an interrupted write had left`);
      const checkpoint = await newestCheckpoint(join(folder, runFiles.checkpoints), onMessage);
      const isKept = (row: Record<string, unknown>) =>
        typeof row.step === "number" && row.step <= (checkpoint?.step ?? 0);
      const metrics = await JsonLinesFile.open(join(folder, runFiles.metrics), isKept);
      const completions = await JsonLinesFile.open(join(folder, runFiles.completions), isKept);
      return new RunDirectory(folder, checkpoint, [metrics, completions], release);
    } catch (error) {
      await release();
      throw error;
    }
  }

  path(name: keyof typeof runFiles): string {
    return join(this.folder, runFiles[name]);
  }

  /** Replaces a small text file of the run, whole or not at all. */
  async write(name: keyof typeof runFiles, text: string): Promise<void> {
    await writeFileWhole(this.path(name), text);
  }

  /** Appends the records of one step. */
  async log(metrics: StepMetrics, completions: readonly CompletionRecord[]): Promise<void> {
    await this.#completions.append(completions);
    await this.#metrics.append([metrics]);
  }

  /** Publishes a checkpoint; the logs up to it are made durable first. */
  async checkpoint(step: number, keep: number, write: (folder: string) => Promise<void>): Promise<Checkpoint> {
    await this.#completions.sync();
    await this.#metrics.sync();
    return await publishCheckpoint(this.path("checkpoints"), step, keep, write);
  }

  async close(): Promise<void> {
    await this.#metrics.close();
    await this.#completions.close();
    await this.#release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Whether a folder holds a run that has taken a step. */
export async function holdsRun(folder: string): Promise<boolean> {
  if ((await listCheckpoints(join(folder, runFiles.checkpoints))).length > 0) return true;
  return await stat(join(folder, runFiles.metrics)).then(
    (found) => found.size > 0,
    () => false,
  );
}
