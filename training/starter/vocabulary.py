"""The tokenizer: a byte-level BPE of 2,048 entries with Qwen's special tokens, built from the generator's text."""
import json
import random
from pathlib import Path

from . import wording
from .config import SPECIAL, VOCABULARY

SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
         r"\s+(?!\S)|\s+")


def corpus(instructions, lines=60000, seed=7):
    """Screen text, and the product's own prompts often enough that each of their words is one token."""
    rng = random.Random(seed)
    prompts = list(strings(instructions)) * 2 + EXTRA
    for i in range(lines):
        yield wording.piece(rng)
        if i % 40 == 0:
            yield "user\nassistant\nsystem\n"
            yield from prompts


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from strings(v)


EXTRA = json.loads((Path(__file__).with_name("sayings.json")).read_text())


def build(instructions):
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY - len(SPECIAL), show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(corpus(instructions), trainer)
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer
