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


def token_loss(logits, labels):
    """Next-token cross-entropy over the answers; logits and labels of the same positions."""
    return F.cross_entropy(logits.float(), labels)


def pointing_loss(q, k, head, ids, cells, ahead):
    """How little one attention head looks at the image cell of a character.

    q, k [B, heads, L, 64]; cells [B, L]: the cell of a position's own character, −1 if none. With `ahead` the
    position that predicts a character must look at that character's cell, else at the one just read.
    """
    image = ids == TOKEN["<|image_pad|>"]
    b, row = (~image & (cells >= 0)).nonzero(as_tuple=True)
    if not len(b):                                                      # answers that quote nothing
        return q.new_zeros(())
    at = row - 1 if ahead else row
    start = image.int().argmax(1)                                       # first visual row; images of one length
    key = column_of(image, start, cells[b, row], b)
    scores = torch.einsum("nd,nld->nl", q[b, head, at], k[b, head]) / q.shape[-1] ** 0.5
    later = torch.arange(scores.shape[1], device=q.device)[None] > at[:, None]
    return F.cross_entropy(scores.masked_fill(later, -1e9).float(), key)


def column_of(image, start, cell, b):
    """The row of the sequence that holds visual row `cell` of example `b`."""
    rank = image.int().cumsum(1) - 1
    found = (rank[b] == cell[:, None]) & image[b]
    return found.int().argmax(1)
