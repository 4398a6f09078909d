"""The losses and their measures."""
import torch
from torch.nn import functional as F

from .charset import CLASSES
from .config import TOKEN

BLANK_WEIGHT = 0.15
IGNORED = -100


def dense_loss(logits, classes):
    """Cross-entropy where blanks, the bulk of the targets, count less."""
    weight = torch.ones(CLASSES, device=logits.device)
    weight[0] = BLANK_WEIGHT
    return F.cross_entropy(logits.flatten(0, -2).float(), classes.flatten(), weight=weight)


def dense_accuracy(logits, classes):
    """Share of the non-blank targets named right."""
    return share(logits.argmax(-1) == classes, classes > 0)


def share(right, there):
    """Of those that are there, how many are right; 1 where there are none. A tensor: reading it off would wait for a GPU."""
    return 1 - (~right & there).sum() / there.sum().clamp(min=1)


def token_loss(logits, labels, weights):
    """Weighted next-token cross-entropy over the answers; logits, labels and weights of the same positions."""
    losses = F.cross_entropy(logits.float(), labels, reduction="none")
    return (losses * weights).sum() / weights.sum()


def pointing_loss(q, k, head, at, key, there):
    """How little one attention head looks where it should: the rows `at` [B, n] at the rows `key` [B, n], where `there` [B, n].

    q, k [B, heads, L, 64].
    """
    width = q.shape[-1]
    looking = q[:, head].gather(1, at[..., None].expand(-1, -1, width))
    scores = (looking @ k[:, head].mT).float() / width ** 0.5
    later = torch.arange(k.shape[2], device=q.device) > at[..., None]
    losses = F.cross_entropy(scores.masked_fill(later, -1e9).flatten(0, 1), key.masked_fill(~there, IGNORED).flatten(), ignore_index=IGNORED, reduction="sum")
    return losses / there.sum().clamp(min=1)


def image_targets(ids, cells, ahead, most, generator):
    """Rows, the visual rows that they should look at, and which of both are there, [B, n] each. With `ahead` the position that
    predicts a character looks at that character's cell, else at the one just read. cells [B, L]: −1 where a position has none."""
    image = ids == TOKEN["<|image_pad|>"]
    row, there = thinned(~image & (cells >= 0), most, generator)
    visual = torch.argsort((~image).int(), dim=1, stable=True)                   # the images' rows first, in order
    key = visual.gather(1, cells.gather(1, row).clamp(min=0))
    return (row - 1).clamp(min=0) if ahead else row, key, there


def copy_targets(sources, labels, ahead, most, generator):
    """The same for characters of an answer that stand among the read lines, and, looking at the one itself, of a question's
    quotations. sources [B, L]: row of the prompt, or −1; labels [B, L]: of answers."""
    row, there = thinned((sources >= 0) & ((labels >= 0) | (not ahead)), most, generator)
    return (row - 1).clamp(min=0) if ahead else row, sources.gather(1, row), there


def mark_targets(marks, most, generator):
    """Characters of read lines and the row where it has been said what their line is. marks [B, L]: that row, or −1."""
    row, there = thinned(marks >= 0, most, generator)
    return row, marks.gather(1, row), there


def thinned(wanted, most, generator):
    """Indices of the columns wanted [B, L], in order, and which of them count, [B, n]: at most so many in a row, for the cost of
    pointing grows with rows times length. Nothing here waits for a GPU."""
    chance = torch.rand(wanted.shape, generator=generator, device=wanted.device).masked_fill(~wanted, -1)
    chance, found = chance.topk(min(most, wanted.shape[1]), 1)
    row, order = found.sort(1)
    return row, chance.gather(1, order) >= 0
