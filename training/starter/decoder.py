"""The qwen3_vl decoder for training: whole sequences, causal, interleaved M-RoPE, DeepStack rows."""
import torch
from torch import nn
from torch.nn import functional as F

from .vision import rotate_half


class RmsNorm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


class SelfAttention(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.heads, self.kv, self.dim = cfg["num_attention_heads"], cfg["num_key_value_heads"], cfg["head_dim"]
        width, eps = cfg["hidden_size"], cfg["rms_norm_eps"]
        self.q_proj = nn.Linear(width, self.heads * self.dim, bias=False)
        self.k_proj = nn.Linear(width, self.kv * self.dim, bias=False)
        self.v_proj = nn.Linear(width, self.kv * self.dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.dim, width, bias=False)
        self.q_norm = RmsNorm(self.dim, eps)
        self.k_norm = RmsNorm(self.dim, eps)

    def rows(self, x, cos, sin):
        b, n, _ = x.shape
        q = self.q_norm(self.q_proj(x).view(b, n, self.heads, self.dim)).transpose(1, 2)
        k = self.k_norm(self.k_proj(x).view(b, n, self.kv, self.dim)).transpose(1, 2)
        v = self.v_proj(x).view(b, n, self.kv, self.dim).transpose(1, 2)
        q = q * cos + rotate_half(q) * sin
        k = k * cos + rotate_half(k) * sin
        return q, k, v

    def forward(self, x, cos, sin, past=None):
        """past: None, or a list [k, v] of earlier rows, replaced by the longer one."""
        b, n, _ = x.shape
        q, k, v = self.rows(x, cos, sin)
        if past is not None:
            if past:
                k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
            past[:] = [k, v]
        k = k.repeat_interleave(self.heads // self.kv, 1)
        v = v.repeat_interleave(self.heads // self.kv, 1)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=n > 1)
        return self.o_proj(out.transpose(1, 2).reshape(b, n, -1)), q, k


class GatedMlp(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        width, inner = cfg["hidden_size"], cfg["intermediate_size"]
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.self_attn = SelfAttention(cfg)
        self.mlp = GatedMlp(cfg)
        self.input_layernorm = RmsNorm(cfg["hidden_size"], cfg["rms_norm_eps"])
        self.post_attention_layernorm = RmsNorm(cfg["hidden_size"], cfg["rms_norm_eps"])

    def forward(self, x, cos, sin, past=None):
        out, q, k = self.self_attn(self.input_layernorm(x), cos, sin, past)
        x = x + out
        return x + self.mlp(self.post_attention_layernorm(x)), q, k


class Decoder(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.embed_tokens = nn.Embedding(cfg["vocab_size"], cfg["hidden_size"])
        self.layers = nn.ModuleList(Layer(cfg) for _ in range(cfg["num_hidden_layers"]))
        self.norm = RmsNorm(cfg["hidden_size"], cfg["rms_norm_eps"])

    def forward(self, x, positions, visual=None, deep=(), past=None, watch=()):
        """x [B, L, C]; positions [3, B, L]; visual: indices of visual rows in the flat [B·L];
        deep: DeepStack features [rows, C] added after the first layers; watch: layers whose q, k are wanted."""
        cos, sin = rope(positions, self.cfg, x.dtype)
        seen = {}
        for i, layer in enumerate(self.layers):
            x, q, k = layer(x, cos, sin, None if past is None else past[i])
            if i in watch:
                seen[i] = (q, k)
            if i < len(deep):
                x = x.flatten(0, 1).index_add(0, visual, deep[i].to(x.dtype)).view_as(x)
        return self.norm(x), seen


def rope(positions, cfg, dtype):
    """Interleaved M-RoPE: frequency i takes the row position if i≡1, the column if i≡2 (mod 3), else time."""
    half = cfg["head_dim"] // 2
    freq = cfg["rope_theta"] ** (-torch.arange(half, device=positions.device).float() / half)
    section = cfg["rope_scaling"]["mrope_section"]
    axis = torch.zeros(half, dtype=torch.long, device=positions.device)
    for d in (1, 2):
        axis[d:section[d] * 3:3] = d
    at = positions.float()[axis].permute(1, 2, 0)                       # [B, L, half]
    angle = torch.cat((at * freq,) * 2, -1)[:, None]                    # [B, 1, L, 64]
    return angle.cos().to(dtype), angle.sin().to(dtype)
