"""A GRPO step of TRL's GRPOTrainer with a PEFT LoRA adapter on the CPU: the peer that the step benchmark compares with.

usage: python trl_grpo.py MODEL_FOLDER [--questions 3] [--rollouts 3] [--prompt-tokens 128] [--new-tokens 128]
                          [--rank 16] [--beta 0] [--dtype float32] [--threads 2] [--steps 3] [--warm-up 1]

MODEL_FOLDER is a Hugging Face folder (hf_dump.py makes one from a GGUF file). Every completion has exactly --new-tokens
tokens; each step is one micro-batch of questions x rollouts. Times are means over the steps after the warm-up:
micro_step_s is TRL's training_step (generation, scoring, forward, backward; without the optimizer's update), training_s
what is left of it without generation and scoring. foreign_cpu is the share of the machine that other processes used.
Prints one JSON object on stdout; TRL's own output goes to stderr.
Library versions: test/golden/requirements.txt.
"""
import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from importlib.metadata import version

from peer import Meter, forget_peak_rss, peak_rss_bytes

VIGNETTE = (
    "A 58-year-old woman is brought to the clinic after two weeks of dizziness, palpitations and unusual tiredness. "
    "She takes naproxen daily for knee pain. Examination shows pale conjunctivae; stool is positive for occult blood. "
    "Hemoglobin is 7.9 g/dL, mean corpuscular volume 70 fL and ferritin 6 ng/mL. Which of these explains the findings? "
    "(A) Vitamin B12 deficiency (B) Chronic blood loss (C) Hemolysis (D) Renal failure ")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    for name, default in (("questions", 3), ("rollouts", 3), ("prompt-tokens", 128), ("new-tokens", 128), ("rank", 16),
                          ("threads", 2), ("steps", 3), ("warm-up", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--beta", type=float, default=0.0)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    return parser.parse_args()


class Stopwatch:
    """Seconds spent in methods of a class, one entry a call."""

    def __init__(self):
        self.seconds = {}

    def watch(self, cls, method):
        original, calls = getattr(cls, method), self.seconds.setdefault(method, [])

        def timed(*positional, **named):
            start = time.perf_counter()
            try:
                return original(*positional, **named)
            finally:
                calls.append(time.perf_counter() - start)

        setattr(cls, method, timed)


def prompts(tokenizer, count, tokens):
    """Texts that encode to exactly `tokens` ids again."""
    result = []
    for number in range(count):
        ids = tokenizer(f"Case {number}. " + VIGNETTE * (1 + tokens // 64), add_special_tokens=False).input_ids
        for length in range(tokens, 0, -1):
            text = tokenizer.decode(ids[:length])
            if len(tokenizer(text).input_ids) == tokens:
                break
        else:
            raise SystemExit(f"trl_grpo: no prompt of exactly {tokens} tokens could be made")
        result.append(text)
    return result


def variety(completions, **_):
    """A reward that differs between rollouts, so that advantages are not zero."""
    return [len(set(completion)) / 50 for completion in completions]


def measure(options):
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(options.model, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=getattr(torch, options.dtype))
    batch = options.questions * options.rollouts
    data = Dataset.from_dict({"prompt": prompts(tokenizer, options.questions * options.steps, options.prompt_tokens)})
    watch = Stopwatch()
    for method in ("training_step", "_generate_and_score_completions", "_generate", "compute_loss"):
        watch.watch(GRPOTrainer, method)
    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder, per_device_train_batch_size=batch, num_generations=options.rollouts,
            gradient_accumulation_steps=1, max_completion_length=options.new_tokens, max_steps=options.steps,
            learning_rate=2e-5, beta=options.beta, temperature=1.0, use_cpu=True, bf16=False, fp16=False,
            gradient_checkpointing=False, save_strategy="no", report_to="none", logging_steps=1, disable_tqdm=True,
            generation_kwargs={"min_new_tokens": options.new_tokens})
        lora = LoraConfig(r=options.rank, lora_alpha=options.rank, target_modules="all-linear", task_type="CAUSAL_LM")
        trainer = GRPOTrainer(model=model, reward_funcs=variety, args=config, train_dataset=data,
                              processing_class=tokenizer, peft_config=lora)
        forget_peak_rss()
        with Meter() as meter:
            trainer.train()
    key = "completions/mean_length"
    lengths = [entry[key] for entry in trainer.state.log_history if key in entry]
    if any(length != options.new_tokens for length in lengths):
        raise SystemExit(f"trl_grpo: completions of {lengths} tokens; expected {options.new_tokens} each")
    mean = lambda method: sum(watch.seconds[method][options.warm_up :]) / (options.steps - options.warm_up)
    step, generation = mean("training_step"), mean("_generate")
    return {
        "peer": "trl+peft", "model": os.path.basename(os.path.normpath(options.model)), "dtype": options.dtype,
        "questions": options.questions, "rollouts": options.rollouts, "prompt_tokens": options.prompt_tokens,
        "new_tokens": options.new_tokens, "rank": options.rank, "beta": options.beta, "threads": options.threads,
        "steps_measured": options.steps - options.warm_up,
        "micro_step_s": step, "generation_s": generation,
        "training_s": step - mean("_generate_and_score_completions"), "compute_loss_s": mean("compute_loss"),
        "generation_tokens_per_s": batch * options.new_tokens / generation,
        "peak_rss_bytes": peak_rss_bytes(),
        "foreign_cpu": meter.foreign_cpu, "wall_s": meter.seconds,
        "versions": {name: version(name) for name in ("torch", "transformers", "peft", "trl")}}


def main():
    options = arguments()
    if options.steps <= options.warm_up:
        raise SystemExit("trl_grpo: --steps must exceed --warm-up")
    with contextlib.redirect_stdout(sys.stderr):
        result = measure(options)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
