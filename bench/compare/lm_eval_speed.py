"""Questions per second of lm_eval 0.4.13's HF backend on one MMLU subject.

usage: python lm_eval_speed.py MODEL_FOLDER DATA SUBJECT COUNT SHOTS THREADS BATCH_SIZE

The last line of stdout is one JSON object. The clock runs over lm_eval.evaluate alone: requests, scores and metrics, with
the model loaded before.
"""
import csv
import json
import os
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
import lm_eval
import torch
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml


def main(model, data, subject, count, shots, threads, batch_size):
    torch.set_num_threads(int(threads))
    work = Path(tempfile.mkdtemp())
    files = {}
    for split in ("dev", "test"):
        with open(Path(data) / f"mmlu/data/{split}/{subject}_{split}.csv", newline="", encoding="utf-8") as file:
            rows = [{"question": q, "choices": c, "answer": "ABCD".index(a)} for q, *c, a in csv.reader(file)]
        files[split] = str(work / f"{split}.jsonl")
        Path(files[split]).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    name = f"mmlu_{subject}"
    config = load_yaml(TaskManager()._index[name].yaml_path, resolve_func=True)
    for key in ("tag", "group", "task_list", "include"):
        config.pop(key, None)
    config.update(dataset_path="json", dataset_name=None, dataset_kwargs={"data_files": files}, num_fewshot=int(shots))
    task = ConfigurableTask(config=config)
    task.set_fewshot_seed(seed=1234)
    lm = HFLM(pretrained=model, device="cpu", dtype="float32", batch_size=int(batch_size))
    start = time.perf_counter()
    result = lm_eval.evaluate(lm, {name: task}, limit=int(count), log_samples=True, bootstrap_iters=0)
    seconds = time.perf_counter() - start
    samples = sorted(result["samples"][name], key=lambda sample: sample["doc_id"])
    best = ["ABCD"[max(range(4), key=lambda i: s["resps"][i][0][0])] for s in samples]
    print(json.dumps({"lm_eval": version("lm_eval"), "questions": len(samples), "seconds": seconds, "best": best}))


if __name__ == "__main__":
    if len(sys.argv) != 8:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
