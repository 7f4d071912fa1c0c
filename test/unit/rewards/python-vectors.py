"""Scores texts with the regular expressions of the paper's repository and writes python-vectors.json.

Run: python3 test/unit/rewards/python-vectors.py
The expressions are those of Qsingle/open-medical-r1 @ d4daaea, src/open_r1/rewards.py; the texts are ours.
"""
import json
import os
import random
import re
import sys

SEED = 20250604
PIECES = [
    "<think>", "</think>", "<answer>", "</answer>", "<think", "</", ">", "E", "(E)", "e", "A", "Nitrofurantoin",
    "nitrofurantoin", "NITROFURANTOIN!", "n\u0131trofurantoin", "N\u0130trofuranto\u0130n", " ", "\n", "\t", "\r\n",
    "\x1c", "\x1f", "\x85", "\xa0", "\u2003", "\u2028", "\ufeff", "\u200b", "x", "\U0001f600",
]


def accuracy(text, letter, option):
    match = re.search(r"<answer>(.*)</answer>", text, re.DOTALL)
    if not match:
        return 0.0
    answer = match.group(1).strip()
    if answer in (letter, f"({letter})"):
        return 2.0
    return 1.0 if re.compile(re.escape(option), re.IGNORECASE).match(answer) else 0.0


def form(text):
    soft = re.match(r"<think>.*?</think>[\s\n]{0,1}<answer>.*?</answer>", text, re.DOTALL)
    strict = re.match(r"^<think>.*?</think>[\s\n]?<answer>.*?</answer>$", text, re.DOTALL)
    return float(bool(soft)) + float(bool(strict))


def xmlcount(text):
    return sum(0.25 for tag in PIECES[:4] if text.count(tag) == 1)


def texts(rng):
    for _ in range(1200):
        yield "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 9)))
    frame = ["", "<think>", "x", "</think>", "", "<answer>", "E", "</answer>", ""]
    for _ in range(1800):  # near misses: a right completion with up to three pieces changed, put in or taken out
        parts = list(frame)
        for _ in range(rng.randint(0, 3)):
            at = rng.randrange(len(parts))
            how = rng.random()
            if how < 0.5:
                parts[at] = rng.choice(PIECES)
            elif how < 0.8:
                parts.insert(at, rng.choice(PIECES))
            else:
                del parts[at]
        yield "".join(parts)


def main():
    rng = random.Random(SEED)
    rows = {text: [accuracy(text, "E", "Nitrofurantoin"), form(text), xmlcount(text)] for text in texts(rng)}
    # Letter case: option and answer, one character each, over characters whose case mapping is special.
    special = sorted({c for c in range(0x250) if chr(c).isalpha()} | set(range(0x370, 0x480)) | set(range(0x1C80, 0x1C89))
                     | set(range(0x1E60, 0x1EA0)) | set(range(0x1FB0, 0x1FF0)) | {0x2126, 0x212A, 0x212B, 0xA64A, 0xA64B,
                                                                                 0xFB05, 0xFB06, 0x10400, 0x10428})
    pairs = [[a, b] for a in special for b in special
             if a < b and re.compile(re.escape(chr(a)), re.IGNORECASE).match(chr(b))]
    out = {"python": sys.version.split()[0], "seed": SEED, "columns": ["text", "accuracy", "format", "xmlcount"],
           "rows": [[text, *scores] for text, scores in rows.items()], "caseCharacters": special, "equalCases": pairs}
    with open(os.path.join(os.path.dirname(__file__), "python-vectors.json"), "w", encoding="ascii") as file:
        json.dump(out, file, separators=(",", ":"))
        file.write("\n")
    print(len(rows), "rows,", sum(r[0] > 0 for r in rows.values()), "with accuracy,",
          sum(r[1] > 0 for r in rows.values()), "with format,", len(pairs), "case pairs")


main()
