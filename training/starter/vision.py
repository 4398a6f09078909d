"""The qwen3_vl vision encoder for a batch of images of one size; parameter names as in the checkpoint.

Rows (patches) run in merge-block order: block row, block column, then the four patches of the block.
"""
import torch
from torch import nn
from torch.nn import functional as F


def rotate_half(x):
    a, b = x.chunk(2, -1)
    return torch.cat((-b, a), -1)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x, cos, sin):
        b, n, c = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)  # [B, heads, N, 64]
        q = q * cos + rotate_half(q) * sin
        k = k * cos + rotate_half(k) * sin
        out = F.scaled_dot_product_attention(q, k, v)
        return self.proj(out.transpose(1, 2).reshape(b, n, c))


class Mlp(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.linear_fc1 = nn.Linear(width, inner)
        self.linear_fc2 = nn.Linear(inner, width)

    def forward(self, x):
        return self.linear_fc2(F.gelu(self.linear_fc1(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        width = cfg["hidden_size"]
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, cfg["num_heads"])
        self.mlp = Mlp(width, cfg["intermediate_size"])

    def forward(self, x, cos, sin):
        x = x + self.attn(self.norm1(x), cos, sin)
        return x + self.mlp(self.norm2(x))


class Merger(nn.Module):
    """2×2 patches → one token. The main merger normalises before grouping, DeepStack's after it."""

    def __init__(self, cfg, after):
        super().__init__()
        self.width = cfg["hidden_size"] * cfg["spatial_merge_size"] ** 2
        self.after = after
        self.norm = nn.LayerNorm(self.width if after else cfg["hidden_size"], eps=1e-6)
        self.linear_fc1 = nn.Linear(self.width, self.width)
        self.linear_fc2 = nn.Linear(self.width, cfg["out_hidden_size"])

    def forward(self, x):
        b = x.shape[0]
        x = self.norm(x.reshape(b, -1, self.width)) if self.after else self.norm(x).reshape(b, -1, self.width)
        return self.linear_fc2(F.gelu(self.linear_fc1(x)))


class PatchEmbed(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        size = cfg["patch_size"]
        self.proj = nn.Conv3d(3, cfg["hidden_size"], (cfg["temporal_patch_size"], size, size))

    def forward(self, rows):
        """rows [B, N, 3·16·16]: a still image repeats in time, so the kernel is summed over time."""
        return F.linear(rows, self.proj.weight.sum(2).flatten(1), self.proj.bias)


class VisionEncoder(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.patch_embed = PatchEmbed(cfg)
        self.pos_embed = nn.Embedding(cfg["num_position_embeddings"], cfg["hidden_size"])
        self.blocks = nn.ModuleList(Block(cfg) for _ in range(cfg["depth"]))
        self.merger = Merger(cfg, after=False)
        self.deepstack_merger_list = nn.ModuleList(Merger(cfg, after=True) for _ in cfg["deepstack_visual_indexes"])
        self._grids = {}

    def grid(self, h, w, device):
        """For h×w patches: position rows and columns [N], table taps [4, N], tap weights [4, N]."""
        key = (h, w, str(device))
        if key not in self._grids:
            self._grids[key] = grid(h, w, self.cfg, device)
        return self._grids[key]

    def forward(self, pixels):
        """pixels [B, H, W, 3] uint8 → tokens [B, H·W/1024, out], DeepStack list of the same shape, patches [B, N, C]."""
        h, w = pixels.shape[1] // 16, pixels.shape[2] // 16
        cos, sin, taps, weights = self.grid(h, w, pixels.device)
        x = self.patch_embed(patch_rows(pixels).to(self.patch_embed.proj.weight.dtype))
        x = x + (self.pos_embed(taps) * weights[..., None]).sum(0).to(x.dtype)
        deep = []
        for i, block in enumerate(self.blocks):
            x = block(x, cos, sin)
            if i in self.cfg["deepstack_visual_indexes"]:
                deep.append(self.deepstack_merger_list[len(deep)](x))
        return self.merger(x), deep, x


def patch_rows(pixels):
    """[B, H, W, 3] uint8 → [B, N, 3·16·16] in −1…1, merge-block order, channel first in a row."""
    b, height, width, _ = pixels.shape
    x = pixels.view(b, height // 32, 2, 16, width // 32, 2, 16, 3)
    x = x.permute(0, 1, 4, 2, 5, 7, 3, 6).reshape(b, -1, 768)
    return x.float() / 127.5 - 1


def block_order(h, w):
    """Indices of patches (row · w + column) in merge-block order."""
    return torch.arange(h * w).view(h // 2, 2, w // 2, 2).permute(0, 2, 1, 3).reshape(-1)


def grid(h, w, cfg, device):
    order = block_order(h, w)
    row, column = (order // w).float(), (order % w).float()
    half = cfg["hidden_size"] // cfg["num_heads"] // 2                        # 32
    freq = 1.0 / 10000.0 ** (torch.arange(0, half, 2).float() / half)         # 16 frequencies
    angle = torch.cat((row[:, None] * freq, column[:, None] * freq), -1)      # [N, 32]
    angle = torch.cat((angle, angle), -1)
    taps, weights = table_taps(row, column, h, w, round(cfg["num_position_embeddings"] ** 0.5))
    return angle.cos().to(device), angle.sin().to(device), taps.to(device), weights.to(device)


def table_taps(row, column, h, w, side):
    """Bilinear resampling of the side×side table with aligned corners: four taps and their weights."""
    y = row * (side - 1) / max(1, h - 1)
    x = column * (side - 1) / max(1, w - 1)
    y0, x0 = y.floor(), x.floor()
    y1, x1 = (y0 + 1).clamp(max=side - 1), (x0 + 1).clamp(max=side - 1)
    fy, fx = y - y0, x - x0
    taps = torch.stack((y0 * side + x0, y0 * side + x1, y1 * side + x0, y1 * side + x1)).long()
    return taps, torch.stack(((1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx))
