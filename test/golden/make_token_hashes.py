"""Hashes of the token ids of 2,400 texts by the tokenizers library: too many to store, enough to compare.

usage: python make_token_hashes.py smollm2=FOLDER gemma3-270m=FOLDER
The folders are those of make_text.py. Special tokens spelled in a text count as tokens, as the library reads them.
writes data/many-texts.json (the fragments that the texts are made of) and data/token-hashes.json
"""
import json
import sys
from hashlib import sha256
from pathlib import Path

from tokenizers import Tokenizer

from make_goldens import versions
from many_texts import SEPARATORS, fragments, many_texts

HERE = Path(__file__).parent


def digest(text):
    return sha256(text.encode()).hexdigest()


def main(arguments):
    texts = many_texts()
    record = {"versions": versions(), "texts": len(texts), "texts_sha256": digest("\0\0".join(texts)), "models": {}}
    for argument in arguments:
        model, folder = argument.split("=", 1)
        file = Path(folder) / "tokenizer.json"
        tokenizer = Tokenizer.from_file(str(file))
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        record["models"][model] = {
            "tokenizer_sha256": sha256(file.read_bytes()).hexdigest(),
            "tokens": sum(len(one) for one in ids),
            "hashes": "".join(digest(",".join(map(str, one)))[:8] for one in ids),
        }
    pieces = {"fragments": fragments(), "separators": SEPARATORS}
    for name, value in [("many-texts.json", pieces), ("token-hashes.json", record)]:
        (HERE / "data" / name).write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 2 or not all("=" in argument for argument in sys.argv[1:]):
        raise SystemExit(__doc__)
    main(sys.argv[1:])
