"""Tiny tokenizers of the kinds that the families have: byte-level BPE, and SentencePiece-like BPE with byte fallback.

Each has all bytes, a few learnt merges and the real special tokens under other ids.
"""
import json
import re

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing

TEXT = """What does this screenshot show? Describe the picture and read the text in it, line by line.
The button on the left is blue; the circle in the middle is red, and nothing is written at the bottom.
Compare both images: which one is larger, and what has changed between the first and the second?
Answer with a single word. I don't know why it's there, but we'll see: 3 of 12 items cost $4.50.
caption en  detect lamp  answer en how many windows are there  crops of the original image follow
def read(path): return {"lines": [1, 2, 3], "ok": True}  # a comment
Über den Wolken, déjà vu, 図を読む, прочитай текст. 🙂
"""
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
QWEN = rf"{_SHORT}|{_WORDS}|\p{{N}}|{_TAIL}"
LLAMA3 = rf"{_SHORT}|{_WORDS}|\p{{N}}{{1,3}}|{_TAIL}"
QWEN3_5 = rf"{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
TEKKEN = (rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+|[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*|\p{{N}}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
_U, _L = f"[{_UPPER}&&[^\\p{{Han}}]]", f"[{_LOWER}&&[^\\p{{Han}}]]"
KIMI = (rf"[\p{{Han}}]+|[^\r\n\p{{L}}\p{{N}}]?{_U}*{_L}+{_SHORT}?|[^\r\n\p{{L}}\p{{N}}]?{_U}+{_L}*{_SHORT}?|\p{{N}}{{1,3}}|{_TAIL}")


def byte_bpe(merges, first=(), last=(), pattern=None, digits=False, nfc=False, plain=(), begin=None):
    """Specials `first` before the base vocabulary and `last` behind it; `plain`: added but not special; `begin` is put
    in front of every text that is encoded with special tokens."""
    tokenizer = Tokenizer(models.BPE())
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(pattern), "isolated") if pattern else pre_tokenizers.Digits(individual_digits=digits)
    by_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, by_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=256 + merges + len(first), special_tokens=list(first), show_progress=False,
                                  initial_alphabet=alphabet)
    tokenizer.train_from_iterator([TEXT], trainer)
    return _with_added(tokenizer, last, plain, begin)


def sentence_bpe(merges, first, last, begin="<bos>"):
    """Spaces become U+2581, runs of newlines are tokens, what is not in the vocabulary falls back to bytes."""
    plain = ("\n", "\n\n", "\n\n\n")
    learnt = _learn_sentence_merges(merges)
    pieces = [piece for piece, _ in sorted(learnt["vocab"].items(), key=lambda item: item[1]) if "\n" not in piece]
    order = [*first, *plain, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    pairs = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in learnt["merges"]]
    pairs = [pair for pair in pairs if "\n" not in "".join(pair)]
    vocabulary = {piece: i for i, piece in enumerate(order)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in first])
    tokenizer.add_tokens([AddedToken(t, normalized=False, special=False) for t in plain])
    return _with_added(tokenizer, last, (), begin)


def prefixed_bpe(merges, first, last, begin):
    """As Llama's: every text between added tokens gets a U+2581 in front, newlines are bytes, nothing is split beforehand."""
    learnt = _learn_sentence_merges(merges)
    pieces = [piece for piece, _ in sorted(learnt["vocab"].items(), key=lambda item: item[1]) if "\n" not in piece]
    pairs = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in learnt["merges"]]
    pairs = [pair for pair in pairs if "\n" not in "".join(pair)]
    order = [*first, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    vocabulary = {piece: i for i, piece in enumerate(order)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in first])
    return _with_added(tokenizer, last, (), begin)


def _learn_sentence_merges(merges):
    text = "".join(c for c in TEXT if c in " \n" or ord(c) < 0x250)
    alphabet = sorted({c for c in text if c not in " \n"} | {"\u2581"})
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Replace(" ", "\u2581")
    learner.pre_tokenizer = pre_tokenizers.Split(Regex(r"\u2581*[^\u2581\n]+|\n+|\u2581+"), "isolated")
    size = len(alphabet) + merges
    learner.train_from_iterator([text], trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False))
    return json.loads(learner.to_str())["model"]


def _with_added(tokenizer, last, plain, begin):
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in last])
    tokenizer.add_tokens([AddedToken(t, normalized=False, special=False) for t in plain])
    if begin:
        tokens = [(begin, tokenizer.token_to_id(begin))]
        tokenizer.post_processor = TemplateProcessing(single=f"{begin} $A", pair=f"{begin} $A {begin} $B", special_tokens=tokens)
    return tokenizer


def unlikely_ids(tokenizer):
    """Ids that a random model should not say: added tokens, lone bytes that are no character, control characters."""
    added = {token["content"] for token in json.loads(tokenizer.to_str())["added_tokens"]}
    byte_of = {char: byte for byte, char in _byte_characters().items()}
    return {i for token, i in tokenizer.get_vocab().items() if token in added or _is_raw(token, byte_of)}


def _is_raw(token, byte_of):
    if re.fullmatch(r"<0x..>", token):
        return True
    if not token or any(char not in byte_of for char in token):
        return False
    raw = bytes(byte_of[char] for char in token)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return len(raw) == 1 and raw != b"\n" and (raw[0] < 32 or raw[0] == 127)


def _byte_characters():
    """GPT-2's character for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(rest)}


def padded(tokenizer, spare=5, multiple=16):
    """Vocabulary size with unused rows behind it, as on the hub."""
    return -(-(tokenizer.get_vocab_size() + spare) // multiple) * multiple
