"""The element classifier: role, states and colour of each line of a picture, from views of its surroundings and from the lines
beside it; and of all lines together the kind of screen."""
import torch
from screens import wordings
from starter.marks import COLOURS, IGNORED, ROLES, STATES
from torch import nn
from torch.nn import functional as F

from .views import COLUMNS, FEATURES, ROWS, VIEWS

# (channels out, stride); 3 × 3, with a batch norm and a ReLU
LAYERS = [(16, 2), (32, 2), (32, 1), (64, 2), (64, 1), (64, 2)]
CELLS = len(VIEWS) * (ROWS // 16) * (COLUMNS // 16)
HIDDEN = 160
CONTEXT = 96
KINDS = list(wordings.KIND_WORDS)
MARKS = len(ROLES) + len(STATES) + len(COLOURS)


class Elements(nn.Module):
    def __init__(self, inner=HIDDEN, context=CONTEXT):
        """inner, context: width of the layer over a line's views, and of the one over a line and those beside it."""
        super().__init__()
        width, layers = 3, []
        for out, stride in LAYERS:
            layers.append(nn.ModuleDict(dict(convolution=nn.Conv2d(width, out, 3, stride, 1, bias=False), norm=nn.BatchNorm2d(out))))
            width = out
        self.layers = nn.ModuleList(layers)
        self.hidden = nn.Linear(CELLS * width + FEATURES, inner)
        self.marks = nn.Linear(inner, MARKS)
        self.context = nn.Linear(4 * inner, context)
        self.corrections = nn.Linear(context, MARKS)
        self.kinds = nn.Linear(inner + 2 * context, len(KINDS))
        self.drop = nn.Dropout(0.2)
        for parameter in self.corrections.parameters():
            nn.init.zeros_(parameter)

    def forward(self, views, features, pages):
        """views uint8 [n, 4, 48, 96, 3], features [n, FEATURES] of lines, those of a picture one after the other in reading order;
        pages int64 [n]: the picture of each, from 0 → logits [n, MARKS]: roles, states, colours; logits [pictures, KINDS]."""
        return self.judge(self.seen(views), features, pages)

    def judge(self, seen, features, pages):
        """As forward, of what the convolutions see."""
        alone = self.drop(F.relu(self.hidden(torch.cat((self.drop(seen), features), 1))))
        pictures = int(pages[-1]) + 1
        mean = mean_of(alone, pages, pictures)
        beside = torch.cat((alone, shifted(alone, pages, 1), shifted(alone, pages, -1), mean[pages]), 1)
        together = F.relu(self.context(beside))
        kinds = self.kinds(torch.cat((mean, mean_of(together, pages, pictures), most_of(together, pages, pictures)), 1))
        return self.marks(alone) + self.corrections(together), kinds

    def seen(self, views):
        """[n, CELLS · width]: what the convolutions see of each line."""
        x = views.flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1
        for layer in self.layers:
            x = F.relu(layer["norm"](layer["convolution"](x)))
        return x.permute(0, 2, 3, 1).reshape(len(views), -1)


def shifted(x, pages, by):
    """Of each line that of the line before (by 1) or after (by −1) it in its picture; zeros where there is none."""
    other = torch.roll(x, by, 0)
    same = torch.roll(pages, by) == pages
    same[0 if by > 0 else -1] = False
    return other * same[:, None]


def mean_of(x, pages, pictures):
    """[pictures, width]"""
    count = torch.bincount(pages, minlength=pictures).clamp(min=1)[:, None]
    return x.new_zeros(pictures, x.shape[1]).index_add(0, pages, x) / count


def most_of(x, pages, pictures):
    """[pictures, width]; x ≥ 0"""
    return x.new_zeros(pictures, x.shape[1]).scatter_reduce(0, pages[:, None].expand_as(x), x, "amax")


def balance(marks):
    """float32 [roles]: what a line of each role weighs, the more the rarer it is among the marks [n, FIELDS]."""
    share = torch.bincount(marks[:, 0], minlength=len(ROLES)).float().clamp(min=1) / len(marks)
    return (1 / len(ROLES) / share).sqrt().clamp(0.5, 3)


RARE = torch.tensor([1, 1, 1, 1, 3, 3, 3, 3.0])          # what a state that holds weighs: few lines have one of the last four


def loss_of(logits, marks, weights=None):
    """marks int64 [n, FIELDS], see starter.marks; weights: of the roles, see balance."""
    role, state, colour = logits.split((len(ROLES), len(STATES), len(COLOURS)), 1)
    loss = F.cross_entropy(role, marks[:, 0], weights)
    loss = loss + 4 * F.binary_cross_entropy_with_logits(state, marks[:, 1:-1].float(), pos_weight=RARE.to(logits.device))
    if (marks[:, -1] >= 0).any():
        loss = loss + 0.3 * F.cross_entropy(colour, marks[:, -1], ignore_index=IGNORED)
    return loss


def right(logits, marks):
    """Of n lines: bool [n] whether the role, and whether every state is right."""
    role, state, _ = logits.split((len(ROLES), len(STATES), len(COLOURS)), 1)
    return role.argmax(1) == marks[:, 0], ((state > 0) == (marks[:, 1:-1] > 0)).all(1)
