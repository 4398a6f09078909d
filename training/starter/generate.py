"""Greedy answers of the training network: what evaluation and progress checks use."""
from collections import defaultdict

import numpy as np
import torch

from . import prompt
from .config import TOKEN

STOP = TOKEN["<|im_end|>"]


def answer_all(model, requests, most=400, batch=12):
    """requests: [(images, question, reads or None)] with images uint8 [H, W, 3] of one size per request and the read lines
    of each → the answers, in order."""
    groups, out = defaultdict(list), [None] * len(requests)
    asked = [dict(images=images, turns=[(question, [])], reads=reads) for images, question, reads in requests]
    for i, example in enumerate(asked):
        height, width, _ = example["images"][0].shape
        groups[height, width, len(example["images"]), len(prompt.sequence(example, height, width).ids)].append(i)
    for (height, width, _, _), members in groups.items():
        for first in range(0, len(members), batch):
            chosen = members[first:first + batch]
            examples = [asked[i] for i in chosen]
            for i, text in zip(chosen, answers(model, examples, height, width, most)):
                out[i] = text
    return out


@torch.inference_mode()
def answers(model, examples, height, width, most=400):
    """The answers to each example's first question; all images of one size, all prompts of one length."""
    asked = [dict(images=e["images"], turns=[(e["turns"][0][0], [])], reads=e.get("reads")) for e in examples]
    x = prompt.collate(asked, height, width, multiple=1)
    device = next(model.parameters()).device
    ids = torch.from_numpy(x["ids"])[:, :-1].to(device)                     # without the <|im_end|> of the empty answer
    positions = torch.from_numpy(x["positions"])[:, :, :-1].to(device)
    pixels = torch.from_numpy(np.stack([p for e in examples for p in e["images"]])).to(device)
    tokens, deep, _ = model.model.visual(pixels)
    decoder = model.model.language_model
    visual = (ids.flatten() == TOKEN["<|image_pad|>"]).nonzero()[:, 0]
    rows = decoder.embed_tokens(ids)
    rows = rows.flatten(0, 1).index_copy(0, visual, tokens.flatten(0, 1)).view_as(rows)
    past = [[] for _ in decoder.layers]
    hidden, _ = decoder(rows, positions, visual, [d.flatten(0, 1) for d in deep], past)
    return continue_greedily(model, hidden[:, -1:], positions[:, :, -1:], past, most)


def continue_greedily(model, hidden, positions, past, most):
    decoder = model.model.language_model
    done = torch.zeros(hidden.shape[0], dtype=torch.bool, device=hidden.device)
    out = []
    for _ in range(most):
        token = model.logits(hidden)[:, 0].argmax(-1)
        token[done] = STOP
        out.append(token)
        done |= token == STOP
        if done.all():
            break
        positions = positions + 1
        hidden, _ = decoder(decoder.embed_tokens(token[:, None]), positions, past=past)
    lists = torch.stack(out, 1).tolist()
    return [prompt.tokenizer().decode(t[:t.index(STOP)] if STOP in t else t) for t in lists]
