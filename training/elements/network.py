"""The element classifier: role, states and colour of a line of text, from views of its surroundings."""
import torch
from starter.marks import COLOURS, IGNORED, ROLES, STATES
from torch import nn
from torch.nn import functional as F

from .views import COLUMNS, FEATURES, ROWS, VIEWS

# (channels out, stride); 3 × 3, with a batch norm and a ReLU
LAYERS = [(16, 2), (32, 2), (32, 1), (64, 2), (64, 1), (64, 2)]
CELLS = len(VIEWS) * (ROWS // 16) * (COLUMNS // 16)
HIDDEN = 160
MARKS = len(ROLES) + len(STATES) + len(COLOURS)


class Elements(nn.Module):
    def __init__(self):
        super().__init__()
        width, layers = 3, []
        for out, stride in LAYERS:
            layers.append(nn.ModuleDict(dict(convolution=nn.Conv2d(width, out, 3, stride, 1, bias=False), norm=nn.BatchNorm2d(out))))
            width = out
        self.layers = nn.ModuleList(layers)
        self.hidden = nn.Linear(CELLS * width + FEATURES, HIDDEN)
        self.marks = nn.Linear(HIDDEN, MARKS)
        self.drop = nn.Dropout(0.2)

    def forward(self, views, features):
        """views uint8 [n, 4, 48, 96, 3], features [n, FEATURES] → logits [n, MARKS]: roles, states, colours."""
        n = len(views)
        x = views.flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1
        for layer in self.layers:
            x = F.relu(layer["norm"](layer["convolution"](x)))
        rows = x.permute(0, 2, 3, 1).reshape(n, -1)
        return self.marks(self.drop(F.relu(self.hidden(torch.cat((rows, features), 1)))))


def balance(marks):
    """float32 [roles]: what a line of each role weighs, the more the rarer it is among the marks [n, FIELDS]."""
    share = torch.bincount(marks[:, 0], minlength=len(ROLES)).float().clamp(min=1) / len(marks)
    return (1 / len(ROLES) / share).sqrt().clamp(0.5, 3)


def loss_of(logits, marks, weights=None):
    """marks int64 [n, FIELDS], see starter.marks; weights: of the roles, see balance."""
    role, state, colour = logits.split((len(ROLES), len(STATES), len(COLOURS)), 1)
    loss = F.cross_entropy(role, marks[:, 0], weights) + 3 * F.binary_cross_entropy_with_logits(state, marks[:, 1:-1].float())
    if (marks[:, -1] >= 0).any():
        loss = loss + 0.3 * F.cross_entropy(colour, marks[:, -1], ignore_index=IGNORED)
    return loss


def right(logits, marks):
    """Of n lines: bool [n] whether the role, and whether every state is right."""
    role, state, _ = logits.split((len(ROLES), len(STATES), len(COLOURS)), 1)
    return role.argmax(1) == marks[:, 0], ((state > 0) == (marks[:, 1:-1] > 0)).all(1)
