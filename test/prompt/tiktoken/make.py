# Makes tiktoken.model, trained on nothing but the texts below, and what OpenAI's tiktoken says of hard texts with it.
#   pip install tiktoken && python3 test/prompt/tiktoken/make.py
import base64
import json
import pathlib
import random

import tiktoken

HERE = pathlib.Path(__file__).parent
WORDS = "|".join([
    r"[\p{Han}]+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*",
    r"\s*[\r\n]+",
    r"\s+(?!\S)",
    r"\s+",
])
TEXTS = [
    "", " ", "  ", "a", "aaaaaaa", "abababab", "banana bandana ananas", "Hello, world!", "hello  world   ", " \n\n \t x",
    "It's WE'RE they'VE I'M you'LL he'D don'T 'S x'ſ Ĳ's", "CamelCaseHTTPServer fooBar BAZ-qux", "1 12 123 1234 123456 ½ ٣٤٥",
    "中文和English混排，标点。", "日本語のテキスト カタカナ 漢字", "한국어 텍스트", "नमस्ते दुनिया", "ไทยไม่มีช่องว่าง", "שלום עולם", "👩‍👩‍👧 🏳️‍🌈 é é",
    "\ufeffmark", "\ufeff\ufeff!? .", "mx'\u017fno", "a\u0085b\u0085 c", "a \u0085\u0085b ", "x\u00a0y\u2003 z\u3000", "tab\tline\r\nnext\r\r\n end\n", "...!!!\n\n???", "foo(bar[0])={x:1};\n\treturn;",
    "ǅungla ʰʲ ª º ⅷ Ⅷ", "々〆〇〡 〇一", "<|im_end|>", "a<|im_user|>b[EOS]", "<|reserved_token_7|", "\x00\x01\x7f\x80", "https://x.y/z?q=1&r=%20#f",
]


def train(merges):
    """The most frequent pair first, across words too, so that every other cut of a text into words makes other ids."""
    words = [[bytes([b]) for b in text.encode()] for text in TEXTS]
    ranks = {bytes([b]): b for b in range(256)}
    while len(ranks) < 256 + merges:
        counts = {}
        for word in words:
            for pair in zip(word, word[1:]):
                counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            break
        pair = max(counts, key=lambda p: (counts[p], p))
        ranks.setdefault(b"".join(pair), len(ranks))
        for word in words:
            at = 0
            while at + 1 < len(word):
                if (word[at], word[at + 1]) == pair:
                    word[at : at + 2] = [b"".join(pair)]
                at += 1
    return ranks


ranks = train(3000)
first = len(ranks)
names = {0: "[BOS]", 1: "[EOS]", 2: "<|im_end|>", 3: "<|im_user|>"}
config = {"added_tokens_decoder": {str(first + i): {"content": name, "special": True} for i, name in names.items()}}
specials = {names.get(i, f"<|reserved_token_{first + i}|>"): first + i for i in range(256)}
encoding = tiktoken.Encoding(name="small", pat_str=WORDS, mergeable_ranks=ranks, special_tokens=specials)
rng = random.Random(3)
letters = sorted({c for text in TEXTS for c in text})
texts = TEXTS + ["".join(rng.choices(letters, k=rng.randrange(1, 60))) for _ in range(150)]
cases = [{"text": text, "ids": encoding.encode(text, allowed_special="all")} for text in texts]
(HERE / "tiktoken.model").write_text("".join(f"{base64.b64encode(t).decode()} {r}\n" for t, r in ranks.items()))
(HERE / "tokenizer_config.json").write_text(json.dumps(config) + "\n")
(HERE / "cases.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
