"""Loads an adapter folder in peft and compares its logprobs with those that another engine computed.

usage: python check_peft.py MODEL_FOLDER ADAPTER_FOLDER LOGPROBS.json [TOLERANCE]

LOGPROBS.json: {"groups": [{"prompt": [ids], "completions": [[ids]]}], "logprobs": [[[nats]]], "temperature": 1};
logprobs is indexed by group, completion and token, as in data/<name>.json. A whole row of log-softmax is a group whose
completions are [0], [1], ... [V - 1]. The default tolerance is 1e-5.

Prints one JSON object. Exit status: 0 equal, 1 different, 77 skipped because torch, transformers or peft is missing.
"""
import json
import sys
from functools import cache

try:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM
except ImportError as error:
    print(json.dumps({"skipped": f"{error}; pip install -r test/golden/requirements.txt"}))
    sys.exit(77)


def logprobs(model, groups, temperature):
    @cache  # completions of one token share their prompt's row
    def logits_after(ids):
        with torch.no_grad():
            return model(input_ids=torch.tensor([ids])).logits[0]

    result = []
    for group in groups:
        rows = []
        for completion in group["completions"]:
            logits = logits_after(tuple(group["prompt"] + completion[:-1]))
            distribution = torch.log_softmax(logits[len(group["prompt"]) - 1 :].double() / temperature, dim=-1)
            rows.append(distribution.gather(1, torch.tensor(completion)[:, None])[:, 0])
        result.append(rows)
    return result


def largest_gap(ours, theirs):
    if [len(rows) for rows in ours] != [len(rows) for rows in theirs]:
        raise SystemExit("check_peft: logprobs and groups differ in their number of completions")
    return max(float((a - torch.tensor(b, dtype=torch.float64)).abs().max())
               for rows, given in zip(ours, theirs) for a, b in zip(rows, given, strict=True))


def main(model_folder, adapter_folder, file, tolerance):
    with open(file) as stream:
        given = json.load(stream)
    temperature = given.get("temperature", 1)
    torch.set_num_threads(1)
    base = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32, attn_implementation="eager")
    model = PeftModel.from_pretrained(base, adapter_folder).eval()
    with_adapter = logprobs(model, given["groups"], temperature)
    with model.disable_adapter():
        without = logprobs(model, given["groups"], temperature)
    gap = largest_gap(with_adapter, given["logprobs"])
    # How far the answer would be off if the adapter had been ignored: a comparison far above it proves nothing.
    effect = largest_gap(with_adapter, [[row.tolist() for row in rows] for rows in without])
    tensors = sum("lora_" in name for name, _ in model.named_parameters())
    ok = gap <= tolerance and effect > 10 * tolerance
    print(json.dumps({"ok": ok, "gap": gap, "tolerance": tolerance, "adapter_effect": effect, "lora_tensors": tensors,
                      "rank": model.peft_config["default"].r, "alpha": model.peft_config["default"].lora_alpha}))
    return 0 if ok else 1


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        raise SystemExit(__doc__)
    sys.exit(main(*sys.argv[1:4], float(sys.argv[4]) if len(sys.argv) == 5 else 1e-5))
