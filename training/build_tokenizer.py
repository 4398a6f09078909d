"""Writes training/tokenizer.json. Changing it makes every earlier checkpoint useless."""
import json
from pathlib import Path

from starter import vocabulary

HERE = Path(__file__).resolve().parent

if __name__ == "__main__":
    instructions = json.loads((HERE.parent / "src/prompt/instructions.json").read_text())
    tokenizer = vocabulary.build(instructions)
    tokenizer.save(str(HERE / "tokenizer.json"))
    print(tokenizer.get_vocab_size(), "entries")
