// Choosing training questions (section 2.2): candidates, the answers of filter models, a strategy, a check against the
// evaluation sets. Answers are paid for once; composing them again in another way costs nothing.
import { join } from "node:path";
import type { SetBy } from "../config/resolve.ts";
import { type SelectConfig, selectKind } from "../config/select-schema.ts";
import { showAs } from "../config/show.ts";
import type { DataFolder } from "../data/data-folder.ts";
import type { Question } from "../data/question.ts";
import { readBenchmark } from "../data/read-benchmark.ts";
import { RlvrError } from "../errors.ts";
import { benchmarkFolder } from "../hub/hub-folder.ts";
import { makeFolder, writeFileWhole } from "../run/files.ts";
import { Journal } from "../run/journal.ts";
import { localFolder } from "../run/local-folder.ts";
import { EvaluationSet, withoutDuplicates } from "../selection/decontaminate.ts";
import { candidateOf, type Evidence, evidenceOf, type FilterAnswer } from "../selection/evidence.ts";
import { filterMessages } from "../selection/filter-prompt.ts";
import { shuffled } from "../selection/shuffle.ts";
import { compose, poolsOf, type Taken } from "../selection/strategies.ts";
import { type SelectionSummary, summarizeSelection } from "../selection/summary.ts";
import { answerQuestions, answersFile, answersKey, modelName, readAnswers, unanswered } from "./filter-answers.ts";
import { loadQuestions } from "./questions.ts";
import { chatPrompts, fittingQuestions, openModel, openTokenizer, type Session } from "./session.ts";

export type SelectEvent =
  | { readonly kind: "notice"; readonly level: "info" | "warning"; readonly message: string }
  /** Before the model is loaded: how many candidates there are, and how many of them it has yet to answer. */
  | { readonly kind: "start"; readonly candidates: number; readonly missing: number }
  /** Of the model's tensors, or of the questions that it has yet to answer. */
  | { readonly kind: "progress"; readonly phase: "load" | "answer"; readonly done: number; readonly total: number };

export interface SelectOptions {
  /** In place of `candidates.source`. */
  readonly questions?: readonly Question[];
  /** The model of `model.path` where it is loaded already; it stays open. */
  readonly session?: Pick<Session, "policy" | "tokenizer">;
  /** Fail where an answer is missing, instead of loading the model. */
  readonly composeOnly?: boolean;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: SelectEvent) => void;
  /** Who set which option, for the comments of config.yaml. */
  readonly setBy?: ReadonlyMap<string, SetBy>;
}

export interface SelectResult {
  readonly folder: string;
  /** The chosen questions with their evidence, one a line. */
  readonly questions: string;
  readonly summary: SelectionSummary;
}

/** Chooses questions as a config says. Leaves questions.jsonl, summary.json, config.yaml and the journal of answers. */
export async function selectQuestions(config: SelectConfig, options: SelectOptions = {}): Promise<SelectResult> {
  const { strategy, seed } = config;
  const folder = config.output.dir ?? "runs/select";
  await makeFolder(folder);
  const given = await candidatesOf(config, options);
  const evidence = await evidenceOfAll(folder, given.questions, config, options);
  const candidates = given.questions.map((question) => candidateOf(question, evidence(question), strategy.rule));

  const evaluationSet = await openEvaluationSet(config, options);
  const pools = poolsOf(candidates, strategy, seed);
  const composition = compose(pools, candidates.length, (tried) => evaluationSet?.overlaps(tried) ?? []);
  const summary = summarizeSelection({
    strategy: strategy.kind,
    candidates,
    composition,
    badRows: given.badRows,
    duplicates: given.duplicates,
    tooLong: given.tooLong,
    numGenerations: config.expected.numGenerations,
    evaluationSet: evaluationSet === undefined ? null : { rows: evaluationSet.size, ...ngramRule(config) },
  });
  const questions = join(folder, "questions.jsonl");
  await writeFileWhole(questions, composition.taken.map(questionLine).join(""));
  await writeFileWhole(join(folder, "summary.json"), `${JSON.stringify(summary, null, 2)}\n`);
  await writeFileWhole(join(folder, "config.yaml"), showAs(selectKind, config, options.setBy));
  return { folder, questions, summary };
}

/** A chosen question as readQuestions reads it, with what speaks for it. */
function questionLine({ pool, candidate: { question, evidence } }: Taken): string {
  return `${JSON.stringify({ ...question, subject: question.subject || undefined, pool, evidence })}\n`;
}

interface Given {
  readonly questions: Question[];
  readonly badRows: number;
  readonly duplicates: number;
  readonly tooLong: number;
}

/** The candidates: read, drawn, without questions that are asked twice or whose prompts are too long. */
async function candidatesOf(config: SelectConfig, options: SelectOptions): Promise<Given> {
  const { candidates, model, prompt, seed } = config;
  const { questions, skipped } =
    options.questions === undefined
      ? await loadQuestions(candidates.source, candidates)
      : { questions: [...options.questions], skipped: [] };
  const single = withoutDuplicates(questions);
  const { sample } = candidates;
  const drawn = sample === null ? single.questions : shuffled(single.questions, seed, "sample").slice(0, sample);
  const given = { badRows: skipped.length, duplicates: single.duplicates.length };
  if (model.path === null || prompt.maxTokens === null) return { ...given, questions: drawn, tooLong: 0 };
  const { path } = model;
  const tokenizer = options.session?.tokenizer ?? (await openTokenizer({ model: { ...model, path }, prompt }));
  const prompts = chatPrompts(tokenizer, (question) => filterMessages(question, prompt));
  const fitting = fittingQuestions(drawn, prompts, Number.POSITIVE_INFINITY, config);
  return { ...given, questions: fitting.questions, tooLong: fitting.tooLong };
}

/** What each filter model makes of a question: the config's own, after it has answered, and those of other journals. */
async function evidenceOfAll(
  folder: string,
  questions: readonly Question[],
  config: SelectConfig,
  options: SelectOptions,
): Promise<(question: Question) => Evidence[]> {
  if (config.strategy.kind === "random") return () => [];
  const sources = await Promise.all(config.journals.map((journal) => readAnswers(journal, questions)));
  if (config.model.path !== null) {
    const { path } = config.model;
    const key = await answersKey(config, path);
    await answerMissing(folder, questions, { ...config, model: { ...config.model, path } }, key, options);
    sources.unshift(await readAnswers(folder, questions, key, config.sampling.samples));
  }
  const missing = questions.filter(({ id }) => sources.some((answers) => !answers.has(id)));
  if (missing.length > 0) {
    throw new RlvrError(
      "RLVR_BAD_DATA",
      `[select] ${missing.length} of ${questions.length} candidates have no answer in one of the journals, the first is ` +
        `${JSON.stringify(missing[0]?.id)}; give every model the same candidates, or ask fewer (candidates.limit)`,
    );
  }
  return (question) =>
    sources.map((answers) => {
      const own = answers.get(question.id) ?? [];
      return evidenceOf(question, own[0]?.model ?? "", own, config.prompt.answer);
    });
}

type AskingConfig = SelectConfig & { readonly model: { readonly path: string } };

/** Lets the model answer what the journal does not have yet; without anything to ask it is not loaded. */
async function answerMissing(
  folder: string,
  questions: readonly Question[],
  config: AskingConfig,
  key: string,
  { composeOnly = false, session: given, signal, onEvent = () => {} }: SelectOptions,
): Promise<void> {
  const progress = (phase: "load" | "answer") => ({
    signal,
    onProgress: (done: number, total: number) => onEvent({ kind: "progress", phase, done, total }),
  });
  await using journal = await Journal.open<FilterAnswer>(join(folder, answersFile), {
    onMessage: (message) => onEvent({ kind: "notice", level: "info", message }),
  });
  const missing = unanswered(questions, journal, key, config.sampling.samples);
  onEvent({ kind: "start", candidates: questions.length, missing: missing.length });
  if (missing.length === 0) return;
  if (composeOnly) {
    throw new RlvrError(
      "RLVR_BAD_DATA",
      `[select] ${missing.length} of ${questions.length} candidates have no answer of ${modelName(config.model)} under ` +
        `these settings in ${journal.file}; leave --compose-only out to let it answer them`,
    );
  }
  const { policy, tokenizer } = given ?? (await openModel(config, "none", progress("load")));
  await using session: Session = {
    policy,
    ...chatPrompts(tokenizer, (question) => filterMessages(question, config.prompt)),
    [Symbol.asyncDispose]: async () => (given === undefined ? await policy.close() : undefined),
  };
  fittingQuestions(missing, session, policy.info.contextLength, config);
  try {
    await answerQuestions(session, missing, config, journal, key, progress("answer"));
  } catch (error) {
    if (!(error instanceof RlvrError) || error.code !== "RLVR_ABORTED") throw error;
    const left = unanswered(questions, journal, key, config.sampling.samples).length;
    throw new RlvrError(
      "RLVR_ABORTED",
      `[select] stopped; ${questions.length - left} of ${questions.length} candidates are answered and kept. ` +
        "The same command goes on from there.",
      { cause: error },
    );
  }
}

function ngramRule({ decontamination: { ngram, ngramShare } }: SelectConfig) {
  return { ngram, ngram_share: ngramShare };
}

/** The test rows that no chosen question may be in; undefined where the config asks for no check. */
async function openEvaluationSet(
  { decontamination }: SelectConfig,
  { onEvent = () => {} }: SelectOptions,
): Promise<EvaluationSet | undefined> {
  const { against, benchmarks } = decontamination;
  if (against === null) return undefined;
  const rows = [];
  for (const benchmark of benchmarks) {
    const folder: DataFolder = against === "hub" ? await benchmarkFolder(benchmark) : localFolder(against);
    const { test, skipped } = await readBenchmark(benchmark, folder, { onBadRow: "skip" });
    if (skipped.length > 0) {
      const message = `${skipped.length} bad rows of ${benchmark} are not checked against`;
      onEvent({ kind: "notice", level: "warning", message });
    }
    rows.push(...test);
  }
  return new EvaluationSet(rows, decontamination);
}
