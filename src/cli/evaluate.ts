// rlvr evaluate: benchmarks asked of a model and of adapters on it, shown while it goes.
import { basename, dirname, join, resolve } from "node:path";
import { embeddedModel, embeddedModelPath } from "../config/load.ts";
import { benchmarks as allBenchmarks, type Benchmark } from "../data/benchmark-row.ts";
import { exitStatus, RlvrError } from "../errors.ts";
import { loadProtocol } from "../evaluation/protocol.ts";
import { benchmarkFolder } from "../hub/hub-folder.ts";
import { localModel } from "../hub/hub-model.ts";
import { type EvaluationEvent, type EvaluationTarget, evaluate as runEvaluation } from "../recipes/evaluate.ts";
import { openEvaluationModel } from "../recipes/evaluation-model.ts";
import { localFolder } from "../run/local-folder.ts";
import { type Console, duration } from "./console.ts";
import { scoreTable } from "./evaluation-table.ts";
import { interruptSignal } from "./interrupt.ts";

export interface EvaluateArguments {
  readonly model: string;
  /** PEFT folders, each perhaps as name=folder; "base" is the model without any. Empty: the model alone. */
  readonly adapters: readonly string[];
  readonly benchmarks: readonly string[];
  readonly protocol: string;
  readonly shots: number | undefined;
  readonly maxNewTokens: number | undefined;
  /** A folder with the benchmarks' files; undefined: the hub. */
  readonly data: string | undefined;
  readonly subjects: readonly string[];
  readonly limit: number | undefined;
  readonly out: string | undefined;
  readonly onBadRow: "fail" | "skip";
  readonly threads: number;
  readonly version: string;
}

/** Runs the command and gives its exit status. */
export async function evaluate(args: EvaluateArguments, console: Console): Promise<number> {
  const benchmarks = checkedBenchmarks(args.benchmarks);
  const protocol = await loadProtocol(args.protocol, { shots: args.shots, maxNewTokens: args.maxNewTokens });
  if (protocol.assumption !== "") console.warn(`protocol ${protocol.name}: ${protocol.assumption}`);
  const { signal, release } = interruptSignal(() => console.log("stopping; the answers so far are kept"));
  const progress = showEvaluateProgress(console);
  try {
    const hub = { signal, onMessage: (message: string) => console.log(message) };
    const model = args.model === embeddedModel ? embeddedModelPath() : await localModel(args.model, hub);
    const targets = targetsOf(args, protocol.name);
    const results = await runEvaluation({
      model,
      targets,
      protocol,
      benchmarks,
      data: async (benchmark) =>
        args.data === undefined ? await benchmarkFolder(benchmark, hub) : localFolder(args.data),
      subjects: args.subjects.length === 0 ? null : args.subjects,
      limit: args.limit ?? null,
      onBadRow: args.onBadRow,
      version: args.version,
      open: () => openEvaluationModel({ model, threads: args.threads }, { signal }),
      signal,
      onEvent: progress,
    });
    const interrupted = results.some((result) => result.interrupted) || results.length < targets.length;
    const text = results
      .map(({ name, folder, scores }) => `${name} (${folder})\n${scoreTable(scores, protocol)}`)
      .join("\n\n");
    if (interrupted) console.log("stopped before the end; the same command goes on from here");
    console.result(
      { protocol: protocol.name, protocol_hash: protocol.hash, assumption: protocol.assumption, interrupted, results },
      text,
    );
    return interrupted ? exitStatus.interrupted : exitStatus.ok;
  } finally {
    release();
  }
}

function checkedBenchmarks(names: readonly string[]): Benchmark[] {
  const unknown = names.filter((name) => !(allBenchmarks as readonly string[]).includes(name));
  if (unknown.length === 0) return [...new Set(names)] as Benchmark[];
  throw new RlvrError(
    "RLVR_USAGE",
    `[evaluate] there is no benchmark ${unknown.join(", ")}; expected some of ${allBenchmarks.join(", ")}`,
  );
}

/** The adapters with their names and folders: one target lies in --out itself, several in folders below it. */
export function targetsOf(
  { model, adapters, out }: Pick<EvaluateArguments, "model" | "adapters" | "out">,
  protocol: string,
): EvaluationTarget[] {
  const modelName = basename(model).replace(/\.gguf$/, "");
  const named = (adapters.length === 0 ? ["base"] : adapters).map((text) => {
    const [, name, folder = text] = /^([\w.-]+)=(.+)$/.exec(text) ?? [];
    if (folder === "base") return { name: name ?? modelName, adapter: null };
    return { name: name ?? adapterName(folder), adapter: folder };
  });
  const twice = named.find(({ name }, index) => named.findIndex((other) => other.name === name) !== index);
  if (twice !== undefined) {
    throw new RlvrError(
      "RLVR_USAGE",
      `[evaluate] two adapters are called ${twice.name}; give them names: --adapter one=${twice.adapter ?? "base"}`,
    );
  }
  const [only] = named;
  const root =
    out ??
    join("runs", named.length === 1 ? `evaluate-${only?.name}-${protocol}` : `evaluate-${modelName}-${protocol}`);
  return named.map((target) => ({ ...target, folder: named.length === 1 ? root : join(root, target.name) }));
}

/** The run's name for runs/NAME/adapter, else the folder's own. */
function adapterName(folder: string): string {
  const path = resolve(folder);
  return basename(path) === "adapter" ? basename(dirname(path)) : basename(path);
}

const intervalMs = 5000;

/** Says at most every few seconds how far the evaluation is and when it will be done. */
export function showEvaluateProgress(console: Console): (event: EvaluationEvent) => void {
  let start = performance.now();
  let before = 0;
  let last = 0;
  return (event) => {
    if (event.kind === "notice") return console.warn(event.message);
    if (event.kind === "target") {
      start = performance.now();
      before = event.answered;
      const kept = event.answered === 0 ? "" : `, ${event.answered} of them answered before`;
      return console.log(
        `${event.target.name}: ${event.questions} questions${kept}; answers go to ${event.target.folder}`,
      );
    }
    const now = performance.now();
    if (now - last < intervalMs && event.done < event.total) return;
    last = now;
    const seconds = (now - start) / 1000;
    const rate = (event.done - before) / Math.max(seconds, 1e-3);
    const eta = rate > 0 ? `, ${duration((event.total - event.done) / rate)} left` : "";
    console.log(
      `${event.done}/${event.total}  ${event.benchmark} ${event.subject}  ${rate.toFixed(rate < 10 ? 2 : 0)} questions/s${eta}`,
    );
  };
}
