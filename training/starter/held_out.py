"""The next-token loss on drawn lines that training never sees: what quantisation costs is measured with it."""
import torch

from . import mixture, network, reading
from .config import TOKEN
from .loss import token_loss

SEED = 10**13


@torch.inference_mode()
def token_losses(weights, count=32, height=64, width=256):
    """Mean loss and share of right tokens on `count` pictures of 12–20 px text."""
    model = network.Model()
    model.load_state_dict(weights)
    made = [reading.example(SEED + i, height, width, (12, 20)) for i in range(count)]
    x = {k: torch.from_numpy(v) for k, v in mixture.assemble(made, height, width).items()}
    tokens, deep, _ = model.model.visual(x["pixels"])
    decoder = model.model.language_model
    visual = (x["ids"].flatten() == TOKEN["<|image_pad|>"]).nonzero()[:, 0]
    rows = decoder.embed_tokens(x["ids"])
    rows = rows.flatten(0, 1).index_copy(0, visual, tokens.flatten(0, 1)).view_as(rows)
    hidden, _ = decoder(rows, x["positions"], visual, [d.flatten(0, 1) for d in deep])
    labels = x["labels"][:, 1:]
    logits = model.logits(hidden[:, :-1][labels >= 0])
    labels = labels[labels >= 0]
    return token_loss(logits, labels, torch.ones(len(labels))).item(), (logits.argmax(-1) == labels).float().mean().item()
