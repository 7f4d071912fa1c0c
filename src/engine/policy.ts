// A model that samples, scores and learns: the engine as TypeScript sees it.
import { RlvrError } from "../errors.ts";
import { type NativePolicy, nativeBinding, runJob } from "../native/binding.ts";
import type {
  AccumulateRequest,
  AccumulateResult,
  CallContext,
  ChoicesRequest,
  ChoicesResult,
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
} from "../native/types.ts";
import * as checks from "./checks.ts";

export type * from "../native/types.ts";

/** Options as the addon takes them. */
function nativeOptions(options: LoadOptions): LoadOptions {
  checks.checkLoadOptions(options);
  const { lora, ...rest } = options;
  const seed = lora?.seed === undefined ? {} : { seed: BigInt(lora.seed) };
  return lora === undefined ? rest : { ...rest, lora: { ...lora, ...seed } };
}

/**
 * One loaded model with what is trained of it. Methods are promises whose work runs on a thread of its own; a policy does
 * one call at a time, and a second one meanwhile is rejected with RLVR_BUSY. Wrong arguments are TypeError or RangeError;
 * other failures are RlvrError. An aborted call is rejected with RLVR_ABORTED within one token or one layer.
 *
 * @example
 * await using policy = await Policy.load({ model: "models/quickstart", trainable: "lora", lora: { rank: 8, alpha: 16 } });
 */
export class Policy implements AsyncDisposable {
  #info: ModelInfo;
  readonly #native: NativePolicy;
  #running: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(native: NativePolicy) {
    this.#native = native;
    this.#info = native.info();
  }

  /** Reads a model from a safetensors folder or a GGUF file. Progress counts tensors. */
  static async load(options: LoadOptions, context: CallContext = {}): Promise<Policy> {
    const native = nativeOptions(options);
    return new Policy(await runJob((id, progress) => nativeBinding().load(native, id, progress), context));
  }

  /**
   * The memory that a policy with these options takes when `workload` is reserved, and what it would be. Reads the model's
   * header, no weights; it is the engine's own computation, so what is reserved later is these bytes.
   */
  static async plan(options: LoadOptions, workload: Workload): Promise<{ memory: MemoryPlan; info: ModelInfo }> {
    const native = nativeOptions(options);
    checks.checkWorkload(workload);
    return await runJob((id) => nativeBinding().plan(native, workload, id));
  }

  /** The model's shape and what is trained of it. */
  get info(): ModelInfo {
    return this.#info;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Bytes in use now and at most so far, by purpose. */
  memory(): MemoryReport {
    return this.#native.memory();
  }

  /**
   * Records where the time of the following calls goes, by op, layer and rows, until stopTrace(). At most `maxZones` (ops
   * and calls) are kept, about 56 bytes each; later ones are counted in the totals. Tracer makes a file of it.
   */
  startTrace({ maxZones = 400_000 }: { maxZones?: number } = {}): void {
    checks.checkMaxZones(maxZones);
    this.#native.startTrace(maxZones);
  }

  /** Ends the recording and gives it. Without a recording it is empty. */
  stopTrace(): EngineTrace {
    return this.#native.stopTrace();
  }

  /**
   * Takes the memory of the largest calls at once, so that nothing grows later.
   *
   * @throws RlvrError RLVR_OUT_OF_MEMORY that says what to lower, when it passes `memoryLimitBytes`; nothing is taken then.
   */
  async reserve(workload: Workload): Promise<MemoryPlan> {
    checks.checkWorkload(workload);
    return await this.#run((id) => this.#native.reserve(workload, id));
  }

  /** Samples `rollouts` completions of each prompt; a prompt is computed once for all of them. Progress counts tokens. */
  async generate(request: GenerateRequest, context?: CallContext): Promise<GenerateResult> {
    checks.checkGenerateRequest(request);
    return await this.#run((id, progress) => this.#native.generate(request, id, progress), context);
  }

  /** Logprobs and entropies of given completions under the distribution that `sampling` names. Progress counts groups. */
  async logprobs(request: LogprobsRequest, context?: CallContext): Promise<LogprobsResult> {
    checks.checkLogprobsRequest(request);
    return await this.#run((id, progress) => this.#native.score(request, id, progress), context);
  }

  /**
   * Log-likelihoods of answer options. A question is computed once for all its options, in one forward with as many
   * others as fit, and a prefix once for all questions that continue it. Progress counts questions.
   */
  async scoreChoices(request: ChoicesRequest, context?: CallContext): Promise<ChoicesResult> {
    checks.checkChoicesRequest(request);
    return await this.#run((id, progress) => this.#native.scoreChoices(request, id, progress), context);
  }

  /**
   * Puts the LoRA adapter of a PEFT folder in place of the one there is; null leaves the base alone. The base stays as it
   * is loaded. Optimizer state and pending gradients go with the old adapter; `info` tells of the new one.
   *
   * @throws RlvrError RLVR_BAD_CHECKPOINT or RLVR_BAD_ARGUMENT when it does not fit this model, which then stays as it was.
   */
  async loadAdapter(folder: string | null): Promise<void> {
    if (folder !== null) checks.checkPath(folder, "folder");
    this.#info = await this.#run((id) => this.#native.loadAdapter(folder, id));
  }

  /** One forward and backward: adds the gradient of the loss to what is there. Progress counts groups. */
  async accumulate(request: AccumulateRequest, context?: CallContext): Promise<AccumulateResult> {
    checks.checkAccumulateRequest(request);
    return await this.#run((id, progress) => this.#native.accumulate(request, id, progress), context);
  }

  /** Clips the gradient by its global norm, takes one AdamW step, and clears the gradient. */
  async update(request: UpdateRequest): Promise<UpdateResult> {
    checks.checkUpdateRequest(request);
    return await this.#run((id) => this.#native.update(request, id));
  }

  async zeroGradients(): Promise<void> {
    return await this.#run((id) => this.#native.zeroGradients(id));
  }

  /** Writes a PEFT folder: adapter_config.json, adapter_model.safetensors. `baseModel` names the base in the config. */
  async saveAdapter(folder: string, options: { baseModel: string }): Promise<void> {
    checks.checkPath(folder, "folder");
    checks.checkName(options?.baseModel, "options.baseModel");
    return await this.#run((id) => this.#native.saveAdapter(folder, options.baseModel, id));
  }

  /** Writes all parameters as one safetensors file, after full training. */
  async saveWeights(file: string, options: { dtype: "F32" | "BF16" }): Promise<void> {
    checks.checkPath(file, "file");
    checks.checkWeightType(options?.dtype, "options.dtype");
    return await this.#run((id) => this.#native.saveWeights(file, options.dtype, id));
  }

  /** Writes trainable parameters, AdamW moments, pending gradients and the step, bit-exact. */
  async saveState(file: string): Promise<void> {
    checks.checkPath(file, "file");
    return await this.#run((id) => this.#native.saveState(file, id));
  }

  async loadState(file: string): Promise<void> {
    checks.checkPath(file, "file");
    return await this.#run((id) => this.#native.loadState(file, id));
  }

  /** Names of the trainable parameters. */
  async parameterNames(): Promise<string[]> {
    return await this.#run((id) => this.#native.parameterNames(id));
  }

  async parameter(name: string): Promise<Float64Array> {
    checks.checkName(name, "name");
    return await this.#run((id) => this.#native.parameter(name, id));
  }

  async setParameter(name: string, values: Float64Array): Promise<void> {
    checks.checkName(name, "name");
    checks.checkValues(values, "values");
    return await this.#run((id) => this.#native.setParameter(name, values, id));
  }

  async gradient(name: string): Promise<Float64Array> {
    checks.checkName(name, "name");
    return await this.#run((id) => this.#native.gradient(name, id));
  }

  /** Stops a running call, frees the engine, and resolves when both are done. Closing twice is harmless. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#native.close();
    }
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run<T>(start: (jobId: number, onProgress?: Progress) => Promise<T>, context?: CallContext): Promise<T> {
    let settle = () => {};
    const settled = new Promise<void>((resolve) => {
      settle = resolve;
    });
    this.#running = Promise.all([this.#running, settled]);
    try {
      return await runJob(start, context);
    } catch (error) {
      if (!this.#closed || !(error instanceof RlvrError) || error.code !== "RLVR_ABORTED") throw error;
      throw new RlvrError("RLVR_DISPOSED", "[policy] the policy was closed while this call ran.", { cause: error });
    } finally {
      settle();
    }
  }
}
