"""Random weights that make a lively model: logits of a given spread, no control tokens, one end token within reach."""
import math
import re
import zlib

import torch
from vocabularies import TEXT, unlikely_ids


@torch.no_grad()
def fill(reference, spec, seed):
    """Every tensor from a generator of its own name, so that the order of modules does not matter."""
    model = reference.model
    tied = model.config.tie_word_embeddings
    for name, parameter in model.state_dict().items():
        computed = name.endswith("inv_freq") or "rotary" in name or (tied and name == "lm_head.weight")
        if not parameter.is_floating_point() or computed:
            continue
        generator = torch.Generator().manual_seed((zlib.crc32(name.encode()) ^ (seed * 2654435761)) & 0x7FFFFFFF)
        value = spec.init(name, parameter, generator) if spec.init else None
        parameter.copy_(value if value is not None else _drawn(name, parameter, generator, spec, tied))
    _quieten(reference, spec)
    model.tie_weights()
    _spread(reference, spec)
    as_stored(reference, spec)


def _drawn(name, parameter, generator, spec, tied):
    r = torch.randn(parameter.shape, generator=generator)
    if "embed_tokens" in name:
        return r * (0.15 if tied else 0.6) / (8 if spec.scaled_embeddings else 1)
    if "pos_emb" in name or "position_embedding" in name:
        return r * 0.5
    if "lm_head" in name:
        return r * 0.6
    if parameter.ndim == 1 and name.endswith("bias"):
        return r * 0.1
    if parameter.ndim <= 1:
        centre = 0.0 if spec.offset_norms and re.search(spec.offset_norms, name) else 1.0
        return centre + 0.1 * r
    if name.endswith("mm_input_projection_weight"):  # stored [in, out]
        return r * 1.2 / math.sqrt(parameter.shape[0])
    stacked = "experts." in name and parameter.ndim == 3
    return r * 1.2 / math.sqrt(parameter.shape[-1] if stacked else parameter[0].numel())


def _quieten(reference, spec):
    head = reference.head.weight
    ids = unlikely_ids(spec.tokenizer) | set(range(spec.tokenizer.get_vocab_size(), head.shape[0]))
    head[sorted(ids)] *= 0.05


def _spread(reference, spec):
    """The last norm is scaled until logits over a text have the standard deviation `sigma`."""
    ids = torch.tensor([spec.tokenizer.encode(TEXT, add_special_tokens=False).ids[:40]])
    caught = []
    hook = reference.head.register_forward_pre_hook(lambda _module, args: caught.append(args[0].clone()))
    reference.model(input_ids=ids, **{k: torch.zeros_like(ids) for k in ("token_type_ids",) if spec.model_type == "paligemma"})
    hook.remove()
    quiet = unlikely_ids(spec.tokenizer)
    likely = [i for i in range(spec.tokenizer.get_vocab_size()) if i not in quiet]
    factor = spec.sigma / float((caught[0][0] @ reference.head.weight[likely].T).std())
    norm = reference.last_norm.weight
    offset = bool(spec.offset_norms and re.search(spec.offset_norms, "model.language_model.norm.weight"))
    norm.copy_((norm + 1) * factor - 1 if offset else norm * factor)


@torch.no_grad()
def as_stored(reference, spec):
    """Every number as the file will hold it."""
    for name, parameter in reference.model.state_dict().items():
        if parameter.is_floating_point() and not keeps_float32(name):
            parameter.copy_(parameter.to(spec.dtype).float())


def keeps_float32(name):
    return name.endswith(("A_log", "inv_freq"))


@torch.no_grad()
def plant_end(reference, spec, inputs, step):
    """The end token gets the largest logit at that step of that answer. Returns the row's former content."""
    row = reference.head.weight[spec.tokenizer.token_to_id(spec.end)]
    before, caught = row.clone(), []
    hook = reference.head.register_forward_pre_hook(lambda _module, args: caught.append(args[0][0, -1].clone()))
    _, logits = reference.answer(inputs, step)
    hook.remove()
    state = caught[-1]
    wanted = _uncapped(float(logits[-1].max()) + 3.0, reference)
    row.copy_((state * wanted / float(state @ state)).to(spec.dtype).float())
    return before


def _uncapped(logit, reference):
    """The head's own output where the family caps logits."""
    cap = getattr(reference.model.config.get_text_config(), "final_logit_softcapping", None)
    return cap * math.atanh(min(logit, 0.98 * cap) / cap) if cap else logit
