// A benchmark from wherever its files are: finds them in any of the upstream layouts and reads them.
import { RlvrError } from "../errors.ts";
import type { Benchmark, BenchmarkRow, BenchmarkRows } from "./benchmark-row.ts";
import type { RowReader } from "./benchmark-source.ts";
import { readCmmluCsv } from "./cmmlu.ts";
import type { DataFolder } from "./data-folder.ts";
import { readGsm8kJsonLines, readGsm8kParquet } from "./gsm8k.ts";
import { readMedqaRows } from "./medqa.ts";
import { readMmluCsv, readMmluParquet } from "./mmlu.ts";
import { readMmluProParquet } from "./mmlu-pro.ts";
import type { BadRow } from "./rows.ts";
import { zipFolder } from "./zip-folder.ts";

export interface ReadBenchmarkOptions {
  /** Only these subjects; one that the files do not have is an error. */
  readonly subjects?: readonly string[] | undefined;
  /** "skip" leaves bad rows out and counts them; "fail" (default) throws RLVR_BAD_DATA with their numbers. */
  readonly onBadRow?: "fail" | "skip";
}

export interface ReadBenchmark extends BenchmarkRows {
  /** The bad rows that were left out; empty unless `onBadRow` is "skip". */
  readonly skipped: readonly (BadRow & { readonly file: string })[];
}

/** Files of one kind. The pattern's groups are `split` and, where the path names it, `subject`. */
interface Layout {
  readonly expected: string;
  readonly pattern: RegExp;
  /** Names of the split that few-shot examples come from; all other files hold the test. */
  readonly shots: string;
  readonly read: RowReader;
}

const shard = String.raw`-\d{5}-of-\d{5}\.parquet$`;

/** For each benchmark its layouts in order of preference, and what its own folder may be called below a root. */
const layoutsOf: Readonly<
  Record<Benchmark, { readonly folders: readonly string[]; readonly layouts: readonly Layout[] }>
> = {
  mmlu: {
    folders: ["mmlu"],
    layouts: [
      {
        expected: "{dev,test}/<subject>_{dev,test}.csv",
        pattern: /(?:^|\/)(?<split>dev|test)\/(?<subject>\w+)_\k<split>\.csv$/,
        shots: "dev",
        read: readMmluCsv,
      },
      {
        expected: "all/{dev,test}-00000-of-00001.parquet",
        pattern: new RegExp(String.raw`(?:^|\/)all\/(?<split>dev|test)${shard}`),
        shots: "dev",
        read: readMmluParquet,
      },
      {
        expected: "<subject>/{dev,test}-00000-of-00001.parquet",
        pattern: new RegExp(String.raw`(?:^|\/)(?<subject>\w+)\/(?<split>dev|test)${shard}`),
        shots: "dev",
        read: readMmluParquet,
      },
    ],
  },
  cmmlu: {
    folders: ["cmmlu"],
    layouts: [
      {
        expected: "{dev,test}/<subject>.csv, or the zip file that holds them",
        pattern: /(?:^|\/)(?<split>dev|test)\/(?<subject>\w+)(?<!_dev|_test)\.csv$/,
        shots: "dev",
        read: readCmmluCsv,
      },
    ],
  },
  "mmlu-pro": {
    folders: ["mmlu_pro", "mmlu-pro"],
    layouts: [
      {
        expected: "data/{test,validation}-00000-of-00001.parquet",
        pattern: new RegExp(String.raw`(?:^|\/)(?<split>test|validation)${shard}`),
        shots: "validation",
        read: readMmluProParquet,
      },
    ],
  },
  gsm8k: {
    folders: ["gsm8k"],
    layouts: [
      {
        expected: "{train,test}.jsonl",
        pattern: /(?:^|\/)(?<split>train|test)\.jsonl$/,
        shots: "train",
        read: readGsm8kJsonLines,
      },
      {
        expected: "main/{train,test}-00000-of-00001.parquet",
        pattern: new RegExp(String.raw`(?:^|\/)(?<!socratic\/)(?<split>train|test)${shard}`),
        shots: "train",
        read: readGsm8kParquet,
      },
    ],
  },
  medqa: {
    folders: ["medqa"],
    layouts: [
      {
        expected: "phrases_no_exclude_{train,test}.jsonl",
        pattern: /(?:^|\/)phrases_no_exclude_(?<split>train|test)\.jsonl$/,
        shots: "train",
        read: readMedqaRows,
      },
      {
        expected: "{train,test}.jsonl of the US part",
        pattern: /^(?!.*(?:Mainland|Taiwan)\/)(?:.*\/)?(?<split>train|test)\.jsonl?$/,
        shots: "train",
        read: readMedqaRows,
      },
    ],
  },
};

/**
 * The test rows and the few-shot rows of a benchmark. `folder` is the benchmark's own, of the original release or the
 * hub, or one that has such folders side by side ({mmlu,cmmlu,mmlu_pro,gsm8k,medqa}). Throws RLVR_NOT_FOUND when no
 * layout has a test file there, RLVR_BAD_DATA with the numbers of bad rows.
 */
export async function readBenchmark(
  benchmark: Benchmark,
  folder: DataFolder,
  options: ReadBenchmarkOptions = {},
): Promise<ReadBenchmark> {
  const paths = inScope(benchmark, await folder.list());
  const found = layoutsOf[benchmark].layouts
    .map((layout) => ({ layout, files: filesOf(layout, paths) }))
    .find(({ files }) => files.some(({ isShots }) => !isShots));
  const archive = paths.find((path) => path.endsWith(".zip"));
  if (found === undefined && archive !== undefined) {
    return await readBenchmark(benchmark, zipFolder(await folder.read(archive), archive), options);
  }
  if (found === undefined) throw noFiles(benchmark, folder, paths);

  const { layout, files } = found;
  checkSubjects(benchmark, options.subjects, namedSubjects(files));
  const isWanted = (subject: string) => options.subjects === undefined || options.subjects.includes(subject);
  const test: BenchmarkRow[] = [];
  const shots: BenchmarkRow[] = [];
  const skipped: (BadRow & { file: string })[] = [];
  const counts = new Map<string, number>();
  for (const { path, split, subject, isShots } of files) {
    if (subject !== undefined && !isWanted(subject)) continue;
    const nextId = (of: string) => {
      const place = of === benchmark ? `${benchmark}/${split}` : `${benchmark}/${of}/${split}`;
      const number = (counts.get(place) ?? 0) + 1;
      counts.set(place, number);
      return `${place}/${number}`;
    };
    const bytes = await folder.read(path);
    const file = folder.name === undefined ? path : `${folder.name}/${path}`;
    const { rows, skipped: bad } = await layout.read(bytes, { file, subject, nextId }, options);
    for (const row of rows) (isShots ? shots : test).push(row);
    skipped.push(...bad.map((row) => ({ ...row, file })));
  }
  checkSubjects(benchmark, options.subjects, new Set(test.map(({ subject }) => subject)));
  const wanted = (rows: readonly BenchmarkRow[]) => rows.filter(({ subject }) => isWanted(subject));
  return { benchmark, test: wanted(test), shots: wanted(shots), skipped };
}

/** The paths in the benchmark's own folder where the root has one, else those that are in no other benchmark's. */
function inScope(benchmark: Benchmark, paths: readonly string[]): string[] {
  const isIn = (path: string, folders: readonly string[]) =>
    path.includes("/") && folders.includes((path.split("/")[0] ?? "").toLowerCase());
  const own = paths.filter((path) => isIn(path, layoutsOf[benchmark].folders));
  const others = Object.values(layoutsOf).flatMap(({ folders }) => folders);
  return (own.length > 0 ? own : paths.filter((path) => !isIn(path, others))).toSorted();
}

interface BenchmarkFile {
  readonly path: string;
  readonly split: string;
  readonly subject: string | undefined;
  readonly isShots: boolean;
}

function filesOf({ pattern, shots }: Layout, paths: readonly string[]): BenchmarkFile[] {
  return paths.flatMap((path) => {
    const groups = pattern.exec(path)?.groups;
    if (groups === undefined) return [];
    const { split = "", subject } = groups;
    return [{ path, split, subject, isShots: split === shots }];
  });
}

/** The subjects of the test files, where their paths name them. */
function namedSubjects(files: readonly BenchmarkFile[]): ReadonlySet<string> | undefined {
  const subjects = files.flatMap(({ subject, isShots }) => (isShots || subject === undefined ? [] : [subject]));
  return subjects.length > 0 ? new Set(subjects) : undefined;
}

function checkSubjects(
  benchmark: Benchmark,
  wanted: readonly string[] | undefined,
  known: ReadonlySet<string> | undefined,
): void {
  const missing = wanted?.filter((subject) => known?.has(subject) === false) ?? [];
  if (missing.length === 0 || known === undefined) return;
  throw new RlvrError(
    "RLVR_BAD_ARGUMENT",
    `[data] ${benchmark} has no subject ${missing.join(", ")}; it has ${[...known].toSorted().join(", ")}`,
  );
}

function noFiles(benchmark: Benchmark, folder: DataFolder, paths: readonly string[]): RlvrError {
  const expected = layoutsOf[benchmark].layouts.map((layout) => layout.expected).join(", or ");
  const seen = paths.length === 0 ? "no files" : `${paths.slice(0, 3).join(", ")}${paths.length > 3 ? ", …" : ""}`;
  return new RlvrError(
    "RLVR_NOT_FOUND",
    `[data] ${folder.name ?? "the folder"}: no test file of ${benchmark}; there are ${seen}; expected ${expected}`,
  );
}
