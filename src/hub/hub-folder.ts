// A data set of the hub as a folder of data files, each downloaded when it is read; and where the benchmarks are.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Benchmark } from "../data/benchmark-row.ts";
import type { DataFolder } from "../data/data-folder.ts";
import { doing } from "../run/files.ts";
import { type Repository, repositoryPage } from "./repository.ts";
import { openRepository, type SnapshotOptions } from "./snapshot.ts";

/** The data sets of the paper's evaluation and training on the hub. */
export const benchmarkRepositories: Readonly<Record<Benchmark, string>> = {
  mmlu: "cais/mmlu",
  cmmlu: "haonan-li/cmmlu",
  "mmlu-pro": "TIGER-Lab/MMLU-Pro",
  gsm8k: "openai/gsm8k",
  medqa: "GBaker/MedQA-USMLE-4-options",
};

/** The files of a data set. Throws what openRepository throws; reading throws what its download throws. */
export async function hubFolder(repository: Repository, options: SnapshotOptions = {}): Promise<DataFolder> {
  const { folder, paths, bring } = await openRepository(repository, options);
  return {
    name: repositoryPage("hub", repository),
    list: async () => [...paths],
    async read(path) {
      await bring([path]);
      return await doing(`reading ${path} of ${repository.id}`, () => readFile(join(folder, ...path.split("/"))));
    },
  };
}

/** A benchmark's data set on the hub. */
export async function benchmarkFolder(benchmark: Benchmark, options: SnapshotOptions = {}): Promise<DataFolder> {
  return await hubFolder({ type: "dataset", id: benchmarkRepositories[benchmark], revision: "main" }, options);
}
