"""The losses and their measures."""
import torch
from torch.nn import functional as F

from .charset import CLASSES
from .config import TOKEN

BLANK_WEIGHT = 0.15


def dense_loss(logits, classes):
    """Cross-entropy where blanks, the bulk of the targets, count less."""
    weight = torch.ones(CLASSES, device=logits.device)
    weight[0] = BLANK_WEIGHT
    return F.cross_entropy(logits.flatten(0, -2).float(), classes.flatten(), weight=weight)


def dense_accuracy(logits, classes):
    """Share of the non-blank targets named right."""
    there = classes > 0
    return (logits.argmax(-1)[there] == classes[there]).float().mean().item()


def token_loss(logits, labels, weights):
    """Weighted next-token cross-entropy over the answers; logits, labels and weights of the same positions."""
    losses = F.cross_entropy(logits.float(), labels, reduction="none")
    return (losses * weights).sum() / weights.sum()


def pointing_loss(q, k, head, at, key):
    """How little one attention head looks where it should: the rows `at` at the rows `key`, one tensor of each per example.

    q, k [B, heads, L, 64].
    """
    losses, count = q.new_zeros((), dtype=torch.float32), 0
    for b, (rows, wanted) in enumerate(zip(at, key)):
        if not len(rows):
            continue
        scores = (q[b, head, rows] @ k[b, head].T).float() / q.shape[-1] ** 0.5
        later = torch.arange(k.shape[2], device=q.device)[None] > rows[:, None]
        losses = losses + F.cross_entropy(scores.masked_fill(later, -1e9), wanted, reduction="sum")
        count += len(rows)
    return losses / max(1, count)


def image_targets(ids, cells, ahead, most, generator):
    """Per example: rows and the visual rows that they should look at. With `ahead` the position that predicts a character
    looks at that character's cell, else at the one just read. cells [B, L]: −1 where a position has none."""
    image = ids == TOKEN["<|image_pad|>"]
    at, key = [], []
    for b in range(len(ids)):
        row = (~image[b] & (cells[b] >= 0)).nonzero()[:, 0]
        row = thinned(row, most, generator)
        at.append(row - 1 if ahead else row)
        key.append(image[b].nonzero()[:, 0][cells[b, row]])
    return at, key


def copy_targets(sources, labels, ahead, most, generator):
    """The same for characters of an answer that stand among the read lines, and, looking at the one itself, of a question's
    quotations. sources [B, L]: row of the prompt, or −1; labels [B, L]: of answers."""
    at, key = [], []
    for of_example, said in zip(sources, labels):
        row = thinned(((of_example >= 0) & ((said >= 0) | (not ahead))).nonzero()[:, 0], most, generator)
        at.append(row - 1 if ahead else row)
        key.append(of_example[row])
    return at, key


def mark_targets(marks, most, generator):
    """Characters of read lines and the row where it has been said what their line is. marks [B, L]: that row, or −1."""
    rows = [thinned((of_example >= 0).nonzero()[:, 0], most, generator) for of_example in marks]
    return rows, [of_example[row] for of_example, row in zip(marks, rows)]


def thinned(rows, most, generator):
    """At most so many of the rows: the cost of pointing grows with rows times length."""
    if len(rows) <= most:
        return rows
    return rows[torch.randperm(len(rows), generator=generator)[:most].sort().values.to(rows.device)]
