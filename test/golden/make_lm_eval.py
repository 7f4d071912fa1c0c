"""Prompts, scores and readings of lm_eval 0.4.13 on real rows, without the rows themselves.

usage: python make_lm_eval.py DATA SMOLLM2_FOLDER [--prompts-only]

DATA has the upstream files of mmlu, cmmlu, mmlu_pro, gsm8k, medqa, and fixtures/ with published outputs. Writes
data/lm-eval.json: for each task the hash of every prompt, for the log-likelihood tasks the scores of SmolLM2-135M under
lm_eval's own HF backend, and what lm_eval's filters read out of the published outputs.
"""
import csv
import hashlib
import json
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
import lm_eval
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml

LM_EVAL = "0.4.13"
SEED = 1234  # simple_evaluate's fewshot_random_seed
ROWS = {"mmlu": 9, "cmmlu": 8, "mmlu_pro": 36, "gsm8k": 510, "medqa": 510}  # of each subject: 513, 536, 504, 510, 510
SCORED_5_SHOT = 1  # rows of each subject whose 5-shot scores are computed

if version("lm_eval") != LM_EVAL:
    raise SystemExit(f"make_lm_eval: lm_eval is {version('lm_eval')}; expected {LM_EVAL}")
DATA, MODEL = Path(sys.argv[1]), sys.argv[2]
INDEX = TaskManager()._index
WORK = Path(tempfile.mkdtemp())


def json_lines(name, rows):
    path = WORK / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def mmlu_rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return [{"question": q, "choices": choices, "answer": "ABCD".index(answer)} for q, *choices, answer in csv.reader(file)]


def cmmlu_rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return [{key: row[key] for key in ("Question", "A", "B", "C", "D", "Answer")} for row in csv.DictReader(file)]


def medqa_rows(path):
    rows = [json.loads(line) for line in open(path, encoding="utf-8")]
    return [{"sent1": r["question"], **{f"ending{i}": r["options"][l] for i, l in enumerate("ABCD")},
             "label": "ABCD".index(r["answer_idx"])} for r in rows]


def splits_of(benchmark, subject):
    if benchmark == "mmlu":
        return {s: json_lines(f"{subject}-{s}", mmlu_rows(DATA / f"mmlu/data/{s}/{subject}_{s}.csv")) for s in ("dev", "test")}
    if benchmark == "cmmlu":
        return {s: json_lines(f"{subject}-{s}", cmmlu_rows(DATA / f"cmmlu/{s}/{subject}.csv")) for s in ("dev", "test")}
    if benchmark == "mmlu_pro":
        return {s: str(DATA / f"mmlu_pro/data/{s}-00000-of-00001.parquet") for s in ("validation", "test")}
    if benchmark == "gsm8k":
        return {s: str(DATA / f"gsm8k/{s}.jsonl") for s in ("train", "test")}
    folder = DATA / "medqa/data_clean/questions/US/4_options"
    return {name: json_lines(f"medqa-{split}", medqa_rows(folder / f"phrases_no_exclude_{split}.jsonl"))
            for name, split in (("train", "train"), ("validation", "dev"), ("test", "test"))}


def subjects_of(benchmark):
    if benchmark == "mmlu":
        return sorted(p.name[: -len("_test.csv")] for p in (DATA / "mmlu/data/test").iterdir())
    if benchmark == "cmmlu":
        return sorted(p.stem for p in (DATA / "cmmlu/test").iterdir())
    if benchmark == "mmlu_pro":
        return ["biology", "business", "chemistry", "computer_science", "economics", "engineering", "health", "history",
                "law", "math", "other", "philosophy", "physics", "psychology"]
    return [benchmark]


def task_of(benchmark, subject, shots):
    name = {"gsm8k": "gsm8k", "medqa": "medqa_4options"}.get(benchmark, f"{benchmark}_{subject}")
    config = load_yaml(INDEX[name].yaml_path, resolve_func=True)
    for key in ("tag", "group", "task_list", "include"):
        config.pop(key, None)
    kind = "parquet" if benchmark == "mmlu_pro" else "json"
    config.update(dataset_path=kind, dataset_name=None, dataset_kwargs={"data_files": splits_of(benchmark, subject)})
    config["num_fewshot"] = shots
    task = ConfigurableTask(config=config)
    task.set_fewshot_seed(seed=SEED)
    return name, task


def prompts(benchmark, subject, shots):
    _, task = task_of(benchmark, subject, shots)
    task.build_all_requests(limit=ROWS[benchmark])
    texts = {}
    for instance in task.instances:
        texts.setdefault(instance.doc_id, instance.args[0])
    return [hashlib.sha256(texts[i].encode()).hexdigest()[:16] for i in range(len(texts))]


def scores(lm, benchmark, subject, shots, rows):
    name, task = task_of(benchmark, subject, shots)
    result = lm_eval.evaluate(lm, {name: task}, limit=rows, log_samples=True, bootstrap_iters=0)
    samples = sorted(result["samples"][name], key=lambda sample: sample["doc_id"])
    return {"scores": [[round(float(resp[0][0]), 6) for resp in sample["resps"]] for sample in samples],
            "correct": [int(sample["acc"]) for sample in samples]}


def readings():
    """lm_eval's filters and exact_match on published outputs."""
    def run(benchmark, subject, texts, docs):
        _, task = task_of(benchmark, subject, 0)
        out = {}
        for ensemble in task._filters:
            resps = [[text] for text in texts]
            for step in ensemble.filters:
                resps = list(step().apply(resps, docs))
            values = [value if isinstance(value, str) else value[0] for value in resps]
            exact = [int(task.process_results(doc, [value])["exact_match"]) for doc, value in zip(docs, values)]
            out[ensemble.name] = {"read": [None if v == "[invalid]" else v for v in values], "exact_match": exact}
        return out

    result = {}
    for model in ("gemma-7b", "Phi-3-mini-4k-instruct", "Meta-Llama-3_1-8B-Instruct", "gemini-1.5-flash-002"):
        rows = [json.loads(line) for line in open(DATA / f"fixtures/mmlu_pro_outputs_{model}.jsonl", encoding="utf-8")]
        docs = [{"answer": row["answer"]} for row in rows]
        result[f"mmlu_pro_outputs_{model}"] = run("mmlu_pro", "biology", [row["model_output"] for row in rows], docs)
    rows = [json.loads(line) for line in open(DATA / "fixtures/gsm8k_example_model_solutions.jsonl", encoding="utf-8")]
    for column in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"):
        # The published file writes "A: 18" where the data set and its evaluation have "#### 18".
        docs = [{"question": row["question"], "answer": row["ground_truth"].replace("\nA: ", "\n#### ")} for row in rows]
        texts = [row[column]["solution"].replace("\nA: ", "\n#### ") for row in rows]
        result[f"gsm8k_{column}"] = run("gsm8k", "gsm8k", texts, docs)
    return result


def main():
    out = {"lm_eval": LM_EVAL, "torch": version("torch"), "transformers": version("transformers"), "seed": SEED,
           "model": "SmolLM2-135M-Instruct, Q4_1 weights as float32", "prompts": {}, "scores": {}}
    for benchmark in ROWS:
        for shots in {"mmlu_pro": [5], "gsm8k": [5]}.get(benchmark, [0, 5]):
            out["prompts"][f"{benchmark}/{shots}"] = {s: prompts(benchmark, s, shots) for s in subjects_of(benchmark)}
    out["readings"] = readings()
    target = Path(__file__).parent / "data/lm-eval.json"
    target.write_text(json.dumps(out) + "\n")
    if "--prompts-only" in sys.argv:
        return
    lm = HFLM(pretrained=MODEL, device="cpu", dtype="float32", batch_size=4)
    for benchmark in ("mmlu", "cmmlu", "medqa"):
        out["scores"][f"{benchmark}/0"] = {s: scores(lm, benchmark, s, 0, ROWS[benchmark]) for s in subjects_of(benchmark)}
        target.write_text(json.dumps(out) + "\n")
    for benchmark in ("mmlu", "cmmlu"):
        out["scores"][f"{benchmark}/5"] = {s: scores(lm, benchmark, s, 5, SCORED_5_SHOT) for s in subjects_of(benchmark)}
        target.write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
