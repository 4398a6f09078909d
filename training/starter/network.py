"""The whole model (names as in the checkpoint) and the dense heads that only training uses."""
import torch
from torch import nn

from .canvas import draw_canvas
from .charset import CLASSES
from .config import TEXT, VISION
from .decoder import Decoder
from .targets import SLOTS
from .vision import VisionEncoder, patch_rows


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.visual = VisionEncoder(VISION)
        self.language_model = Decoder(TEXT)


class Model(nn.Module):
    """`model.visual…`, `model.language_model…`; the output layer is the embedding (tied)."""

    def __init__(self):
        super().__init__()
        self.model = Body()
        self.apply(start)

    def logits(self, hidden):
        return nn.functional.linear(hidden, self.model.language_model.embed_tokens.weight)


class DenseHeads(nn.Module):
    """spots: per patch, the character that covers each of 8 spots;
    slots: per merged token, the characters with their centre in its cell, in order."""

    def __init__(self):
        super().__init__()
        width = VISION["hidden_size"]
        self.spot_norm = nn.LayerNorm(width)
        self.spots = nn.Linear(width, 8 * CLASSES)
        self.slot_norm = nn.LayerNorm(VISION["out_hidden_size"])
        self.slots = nn.Linear(VISION["out_hidden_size"], SLOTS * CLASSES)
        self.apply(start)

    def forward(self, tokens, patches):
        b = tokens.shape[0]
        return (self.spots(self.spot_norm(patches)).view(b, -1, 8, CLASSES),
                self.slots(self.slot_norm(tokens)).view(b, -1, SLOTS, CLASSES))


def start(module):
    if isinstance(module, (nn.Linear, nn.Embedding, nn.Conv3d)):
        nn.init.normal_(module.weight, std=0.02)
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)


@torch.no_grad()
def whiten_patches(model, canvases=24):
    """Starts the patch embedding as the whitening of grey patches: unit, uncorrelated inputs for the blocks."""
    proj = model.model.visual.patch_embed.proj
    rows = []
    for seed in range(canvases):
        pixels = torch.from_numpy(draw_canvas(10**9 + seed).pixels.copy())[None]
        rows.append(patch_rows(pixels)[0].view(-1, 3, 256))
    grey = torch.cat(rows)
    luma = torch.tensor([0.299, 0.587, 0.114])
    x = (grey * luma[:, None]).sum(1)
    values, vectors = torch.linalg.eigh(x.T @ x / len(x))
    scale = (values.clamp(min=0) + 3e-3).rsqrt()
    basis = (vectors * scale).T.flip(0)                                   # [256, 256], strongest first
    weight = luma[None, :, None] * basis[:, None]                          # [256, 3, 256]
    for i, colour in enumerate(((1, -1, 0), (-0.5, -0.5, 1))):             # the two weakest rows see colour instead
        weight[-1 - i] = torch.tensor(colour).view(3, 1) * 4 / 256
    proj.weight.copy_(0.5 * weight.view(256, 3, 1, 16, 16).expand(-1, -1, 2, -1, -1))
    proj.bias.zero_()
