"""MLX affine quantisation: `w = scale · q + bias` per group of a row, q packed into little-endian uint32."""
import torch


def pack(weight, bits=8, group=64):
    """float [out, in] → uint32 words [out, in·bits/32], scales and biases [out, in/group] in bfloat16 (4 or 8 bits)."""
    rows, columns = weight.shape
    w = weight.float().view(rows, columns // group, group)
    top = 2**bits - 1
    low, high = w.amin(-1), w.amax(-1)
    scale = ((high - low) / top).clamp(min=1e-7)
    from_low = low.abs() > high.abs()
    edge = torch.where(from_low, low, high)
    scale = torch.where(from_low, scale, -scale)
    q0 = torch.round(edge / scale)
    scale = torch.where(q0 != 0, edge / torch.where(q0 != 0, q0, torch.ones_like(q0)), scale)
    bias = torch.where(q0 != 0, edge, torch.zeros_like(edge))
    q = torch.round((w - bias[..., None]) / scale[..., None]).clamp(0, top).to(torch.int64)
    per_word = 32 // bits
    words = q.view(rows, columns // per_word, per_word) << (torch.arange(per_word) * bits)
    return words.sum(-1).to(torch.uint32), scale.bfloat16(), bias.bfloat16()


def unpack(words, scales, biases, bits=8):
    """The float32 weight that `pack` stored."""
    per_word = 32 // bits
    q = (words.to(torch.int64)[..., None] >> (torch.arange(per_word) * bits)) & (2**bits - 1)
    q = q.view(*scales.shape, -1).float()
    return (q * scales.float()[..., None] + biases.float()[..., None]).flatten(1)
