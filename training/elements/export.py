"""The classifier as a folder: config.json and model.safetensors, batch norms folded into the convolutions; and back."""
import json

import torch
from safetensors.torch import load_file, save_file
from screens import wordings
from starter.marks import COLOURS, ROLES, STATES

from .network import KINDS, LAYERS

LINEAR = ("hidden", "marks", "context", "corrections", "kinds")


@torch.no_grad()
def write(network, folder):
    tensors = {}
    for i, layer in enumerate(network.layers):
        norm, weight = layer["norm"], layer["convolution"].weight
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        tensors[f"layers.{i}.weight"] = (weight * scale[:, None, None, None]).half()
        tensors[f"layers.{i}.bias"] = norm.bias - norm.running_mean * scale
    for name in LINEAR:
        layer = getattr(network, name)
        tensors |= {f"{name}.weight": layer.weight.half(), f"{name}.bias": layer.bias.clone()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file({n: t.cpu().contiguous() for n, t in tensors.items()}, str(folder / "model.safetensors"))
    config = dict(model_type="afterimage_elements", strides=[stride for _, stride in LAYERS],
                  roles=[r or "plain" for r in ROLES], states=STATES, colours=["none", *COLOURS[1:]],
                  kinds=[wordings.KIND_WORDS[kind] for kind in KINDS])
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


@torch.no_grad()
def read(network, folder, views):
    """Weights that were written, to go on with. Each norm is unfolded by the statistics of its convolution over the views."""
    kept = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
    x = views.flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1
    for i, layer in enumerate(network.layers):
        norm = layer["norm"]
        layer["convolution"].weight.copy_(kept[f"layers.{i}.weight"])
        seen = layer["convolution"](x)
        norm.running_mean.copy_(seen.mean((0, 2, 3)))
        norm.running_var.copy_(seen.var((0, 2, 3)))
        norm.weight.copy_((norm.running_var + norm.eps).sqrt())
        norm.bias.copy_(kept[f"layers.{i}.bias"] + norm.running_mean)
        x = torch.relu(seen + kept[f"layers.{i}.bias"][:, None, None])
    for name in LINEAR:
        if f"{name}.weight" not in kept:
            continue
        getattr(network, name).weight.copy_(kept[f"{name}.weight"])
        getattr(network, name).bias.copy_(kept[f"{name}.bias"])
