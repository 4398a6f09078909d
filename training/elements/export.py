"""The classifier as a folder: config.json and model.safetensors, batch norms folded into the convolutions."""
import json

import torch
from safetensors.torch import save_file
from starter.marks import COLOURS, ROLES, STATES

from .network import LAYERS


@torch.no_grad()
def write(network, folder):
    tensors = {}
    for i, layer in enumerate(network.layers):
        norm, weight = layer["norm"], layer["convolution"].weight
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        tensors[f"layers.{i}.weight"] = (weight * scale[:, None, None, None]).half()
        tensors[f"layers.{i}.bias"] = norm.bias - norm.running_mean * scale
    for name in ("hidden", "marks"):
        layer = getattr(network, name)
        tensors |= {f"{name}.weight": layer.weight.half(), f"{name}.bias": layer.bias.clone()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file({n: t.contiguous() for n, t in tensors.items()}, str(folder / "model.safetensors"))
    config = dict(model_type="afterimage_elements", strides=[stride for _, stride in LAYERS],
                  roles=[r or "plain" for r in ROLES], states=STATES, colours=["none", *COLOURS[1:]])
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
