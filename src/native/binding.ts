// The addon: what it exports, how it is found, how one of its jobs is awaited.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { RlvrError } from "../errors.ts";
import type {
  AccumulateRequest,
  AccumulateResult,
  CallContext,
  ChoicesRequest,
  ChoicesResult,
  CudaStatus,
  EngineTrace,
  GenerateRequest,
  GenerateResult,
  LoadOptions,
  LogprobsRequest,
  LogprobsResult,
  MemoryPlan,
  MemoryReport,
  ModelInfo,
  Progress,
  UpdateRequest,
  UpdateResult,
  Workload,
} from "./types.ts";

/** One loaded engine. Each promise is a job on a thread of its own; a second job meanwhile is RLVR_BUSY. */
export interface NativePolicy {
  info(): ModelInfo;
  memory(): MemoryReport;
  startTrace(maxZones: number): void;
  stopTrace(): EngineTrace;
  reserve(workload: Workload, jobId: number): Promise<MemoryPlan>;
  generate(request: GenerateRequest, jobId: number, onProgress?: Progress): Promise<GenerateResult>;
  score(request: LogprobsRequest, jobId: number, onProgress?: Progress): Promise<LogprobsResult>;
  scoreChoices(request: ChoicesRequest, jobId: number, onProgress?: Progress): Promise<ChoicesResult>;
  /** null: no adapter. */
  loadAdapter(folder: string | null, jobId: number): Promise<ModelInfo>;
  accumulate(request: AccumulateRequest, jobId: number, onProgress?: Progress): Promise<AccumulateResult>;
  update(request: UpdateRequest, jobId: number): Promise<UpdateResult>;
  zeroGradients(jobId: number): Promise<void>;
  saveAdapter(folder: string, baseModel: string, jobId: number): Promise<void>;
  saveWeights(file: string, dtype: "F32" | "BF16", jobId: number): Promise<void>;
  saveState(file: string, jobId: number): Promise<void>;
  loadState(file: string, jobId: number): Promise<void>;
  parameterNames(jobId: number): Promise<string[]>;
  parameter(name: string, jobId: number): Promise<Float64Array>;
  setParameter(name: string, values: Float64Array, jobId: number): Promise<void>;
  gradient(name: string, jobId: number): Promise<Float64Array>;
  /** Frees the engine, at once or when its running job has stopped. */
  close(): void;
}

/** Every export of the addon; a test compares this list with the addon's own. */
export interface NativeBinding {
  /** The class for instanceof checks; instances come from load(). */
  NativePolicy: { prototype: NativePolicy };
  load(options: LoadOptions, jobId: number, onProgress?: Progress): Promise<NativePolicy>;
  /** What load() and reserve() would take, from the model's header. */
  plan(options: LoadOptions, workload: Workload, jobId: number): Promise<{ memory: MemoryPlan; info: ModelInfo }>;
  /** Asks a running job to stop; nothing for one that has ended. */
  cancel(jobId: number): void;
  /** How native errors look in this thread. */
  setErrorClass(errorClass: typeof RlvrError): void;
  /** The names that LoadOptions.device takes. */
  backends(): string[];
  /** Instruction sets that the cpu backend can use on this machine, fastest last. */
  cpuIsas(): string[];
  /** What the CUDA library, or its emulation, finds on this machine, or what is missing. */
  cudaStatus(emulated: boolean): CudaStatus;
}

export const bindingExports = [
  "NativePolicy",
  "load",
  "plan",
  "cancel",
  "setErrorClass",
  "backends",
  "cpuIsas",
  "cudaStatus",
] as const satisfies readonly (keyof NativeBinding)[];

export const policyMethods = [
  "info",
  "memory",
  "startTrace",
  "stopTrace",
  "reserve",
  "generate",
  "score",
  "scoreChoices",
  "loadAdapter",
  "accumulate",
  "update",
  "zeroGradients",
  "saveAdapter",
  "saveWeights",
  "saveState",
  "loadState",
  "parameterNames",
  "parameter",
  "setParameter",
  "gradient",
  "close",
] as const satisfies readonly (keyof NativePolicy)[];

let loaded: NativeBinding | undefined;

/**
 * The addon, loaded at the first call: the file named by RLVR_NATIVE, else a local build, else the packaged prebuild.
 *
 * @throws RlvrError RLVR_NO_ADDON when there is none for this machine.
 */
export function nativeBinding(): NativeBinding {
  if (loaded !== undefined) return loaded;
  const require = createRequire(import.meta.url);
  const root = fileURLToPath(new URL("../..", import.meta.url));
  try {
    const file = process.env.RLVR_NATIVE;
    const binding: NativeBinding = file ? require(file) : require("node-gyp-build")(root);
    binding.setErrorClass(RlvrError);
    loaded = binding;
    return binding;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    throw new RlvrError(
      "RLVR_NO_ADDON",
      `[addon] loading the native engine failed for ${process.platform}-${process.arch}: ${reason}. ` +
        "Expected a prebuilt or built addon. Build it with: npm rebuild rlvr-node --build-from-source " +
        "(needs a C++20 compiler, make and Python 3).",
      { cause },
    );
  }
}

let nextJobId = 1;

/**
 * Starts a job and awaits it: passes on progress, stops the job when the signal aborts or the callback throws.
 *
 * @throws RlvrError RLVR_ABORTED with the signal's reason as its cause; whatever onProgress threw; what the job threw.
 */
export async function runJob<T>(
  start: (jobId: number, onProgress?: Progress) => Promise<T>,
  { signal, onProgress }: CallContext = {},
): Promise<T> {
  if (signal?.aborted) throw aborted(signal, "the call was aborted before it started");
  const binding = nativeBinding();
  const jobId = nextJobId++;
  const cancel = () => binding.cancel(jobId);
  let callbackFailure: { error: unknown } | undefined;
  const report: Progress | undefined =
    onProgress &&
    ((done, total) => {
      if (callbackFailure !== undefined) return;
      try {
        onProgress(done, total);
      } catch (error) {
        callbackFailure = { error };
        cancel();
      }
    });
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    const result = await start(jobId, report);
    if (callbackFailure === undefined) return result;
  } catch (error) {
    if (callbackFailure === undefined) throw describeFailure(error, signal);
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
  throw callbackFailure.error;
}

function describeFailure(error: unknown, signal: AbortSignal | undefined): unknown {
  if (!(error instanceof Error)) return error;
  if (signal?.aborted && error instanceof RlvrError && error.code === "RLVR_ABORTED") {
    return aborted(signal, error.message);
  }
  // The native side made the error with no JavaScript on the stack; here the callers are known.
  Error.captureStackTrace(error);
  return error;
}

function aborted(signal: AbortSignal, what: string): RlvrError {
  const message = what.startsWith("[") ? what : `[engine] ${what}.`;
  return new RlvrError("RLVR_ABORTED", message, { cause: signal.reason });
}
