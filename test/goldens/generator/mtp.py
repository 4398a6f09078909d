"""The folder qwen3_5-mtp: qwen3_5 with a head for guesses, whose tensors transformers leaves out.

    python3 mtp.py            needs numpy and the folder qwen3_5, nothing else

What the head makes of a prompt is computed here, in float64, by its formula (token t of the head is the token x_t with
the normed state h_{t-1}, turned as t-1; embedding before state; one layer of gated attention; norm; the model's own
output head). The model's states come from the same lines, and are right where the logits are those that transformers
recorded: the script ends where they are not.
"""
import argparse
import json
import shutil
import struct
from pathlib import Path

import numpy as np

CHECKPOINTS = Path(__file__).parent.parent / "checkpoints"
CASES = ("01-one-image", "03-text-only")
SEED = 13


# ---------------------------------------------------------------------------------------------------- files

def read(path):
    """safetensors -> {name: (dtype, array in float64)}"""
    data = path.read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    out = {}
    for name, entry in json.loads(data[8:start]).items():
        if name == "__metadata__":
            continue
        a, b = entry["data_offsets"]
        raw, kind = data[start + a : start + b], entry["dtype"]
        if kind == "BF16":
            values = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
        else:
            values = np.frombuffer(raw, {"F32": "<f4", "F16": "<f2"}[kind])
        out[name] = (kind, values.reshape(entry["shape"]).astype(np.float64), raw)
    return out


def write(path, tensors):
    """{name: (dtype, shape, bytes)} -> safetensors"""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, (kind, shape, raw) in tensors.items():
        header[name] = dict(dtype=kind, shape=list(shape), data_offsets=[at, at + len(raw)])
        at += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(raw for _, _, raw in tensors.values()))


def as_bfloat16(values):
    bits = np.asarray(values, "<f4").view("<u4")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def as_float32(values):
    return np.ascontiguousarray(values, "<f4").tobytes()


# ---------------------------------------------------------------------------------------------------- the model

sigmoid = lambda x: 1 / (1 + np.exp(-x))
silu = lambda x: x * sigmoid(x)
softplus = lambda x: np.log1p(np.exp(x))


class Model:
    def __init__(self, folder):
        self.text = json.loads((folder / "config.json").read_text())["text_config"]
        self.weights = {name: values for name, (_, values, _) in read(folder / "model.safetensors").items()}

    def of(self, name, prefix="model.language_model."):
        return self.weights.get(f"{prefix}{name}.weight", self.weights.get(f"{prefix}{name}"))

    def norm(self, x, weight):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.text["rms_norm_eps"]) * (1 + weight)

    def turned(self, x, positions):
        """x [rows, heads, d]; positions [3, rows]. The first columns of each head turn, on three axes in turn."""
        rope = self.text["rope_parameters"]
        n = int(x.shape[-1] * rope["partial_rotary_factor"]) // 2
        axis = [0] * n
        for a in (1, 2):
            for i in range(a, min(3 * rope["mrope_section"][a], n), 3):
                axis[i] = a
        frequency = rope["rope_theta"] ** (-np.arange(n) / n)
        angle = (positions[axis].T * frequency)[:, None, :]
        a, b, rest = x[..., :n], x[..., n : 2 * n], x[..., 2 * n :]
        return np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle), rest], -1)

    def keys(self, h, w, positions):
        k = (h @ w("self_attn.k_proj").T).reshape(len(h), self.text["num_key_value_heads"], -1)
        k = self.turned(self.norm(k, w("self_attn.k_norm")), positions)
        return k, (h @ w("self_attn.v_proj").T).reshape(k.shape)

    def attention(self, h, w, positions, before=None):
        """`before`: keys and values of rows in front of these."""
        d, heads = self.text["head_dim"], self.text["num_attention_heads"]
        q, gate = np.split((h @ w("self_attn.q_proj").T).reshape(len(h), heads, 2 * d), 2, -1)
        q = self.turned(self.norm(q, w("self_attn.q_norm")), positions)
        k, v = self.keys(h, w, positions)
        if before is not None:
            k, v = np.concatenate([before[0], k]), np.concatenate([before[1], v])
        repeat = heads // k.shape[1]
        scores = np.einsum("qhd,khd->hqk", q, np.repeat(k, repeat, 1)) / np.sqrt(d)
        ahead = np.arange(len(k))[None, :] > np.arange(len(h))[:, None] + len(k) - len(h)
        scores = np.where(ahead, -np.inf, scores)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        o = np.einsum("hqk,khd->qhd", shares, np.repeat(v, repeat, 1)) * sigmoid(gate)
        return o.reshape(len(h), -1) @ w("self_attn.o_proj").T

    def delta(self, h, w):
        t = self.text
        heads, wide = t["linear_num_key_heads"], t["linear_num_value_heads"]
        dk, dv, taps = t["linear_key_head_dim"], t["linear_value_head_dim"], t["linear_conv_kernel_dim"]
        mixed = h @ w("linear_attn.in_proj_qkv").T
        padded = np.concatenate([np.zeros((taps - 1, mixed.shape[1])), mixed])
        kernel = w("linear_attn.conv1d").reshape(mixed.shape[1], taps)
        mixed = silu(sum(padded[i : i + len(h)] * kernel[:, i] for i in range(taps)))
        q, k, v = np.split(mixed, [heads * dk, 2 * heads * dk], -1)
        unit = lambda x: x / np.sqrt((x * x).sum(-1, keepdims=True) + 1e-6)
        q = np.repeat(unit(q.reshape(-1, heads, dk)) / np.sqrt(dk), wide // heads, 1)
        k = np.repeat(unit(k.reshape(-1, heads, dk)), wide // heads, 1)
        v = v.reshape(-1, wide, dv)
        beta = sigmoid(h @ w("linear_attn.in_proj_b").T)
        decay = np.exp(-np.exp(w("linear_attn.A_log")) * softplus(h @ w("linear_attn.in_proj_a").T + w("linear_attn.dt_bias")))
        state, out = np.zeros((wide, dk, dv)), []
        for i in range(len(h)):
            state = state * decay[i][:, None, None]
            error = beta[i][:, None] * (v[i] - np.einsum("hkv,hk->hv", state, k[i]))
            state = state + k[i][:, :, None] * error[:, None, :]
            out.append(np.einsum("hkv,hk->hv", state, q[i]))
        out = np.array(out)
        out = out / np.sqrt((out * out).mean(-1, keepdims=True) + t["rms_norm_eps"]) * w("linear_attn.norm")
        z = (h @ w("linear_attn.in_proj_z").T).reshape(out.shape)
        return (out * silu(z)).reshape(len(h), -1) @ w("linear_attn.out_proj").T

    def mlp(self, h, w):
        return (silu(h @ w("mlp.gate_proj").T) * (h @ w("mlp.up_proj").T)) @ w("mlp.down_proj").T

    def states(self, x, positions):
        """Embeddings -> normed states, of every row."""
        for i, kind in enumerate(self.text["layer_types"]):
            w = lambda name: self.of(f"layers.{i}.{name}")
            h = self.norm(x, w("input_layernorm"))
            x = x + (self.attention(h, w, positions) if kind == "full_attention" else self.delta(h, w))
            x = x + self.mlp(self.norm(x, w("post_attention_layernorm")), w)
        return self.norm(x, self.of("norm"))

    def logits(self, states):
        return states @ self.of("lm_head", "").T

    # The head.

    def head_input(self, embedded, states):
        w = lambda name: self.of(name, "mtp.")
        both = [self.norm(embedded, w("pre_fc_norm_embedding")), self.norm(states, w("pre_fc_norm_hidden"))]
        x = np.concatenate(both, -1) @ w("fc").T
        return x, self.norm(x, w("layers.0.input_layernorm"))

    def head_keys(self, embedded, states, positions):
        return self.keys(self.head_input(embedded, states)[1], lambda name: self.of(f"layers.0.{name}", "mtp."), positions)

    def head(self, embedded, states, positions, before=None):
        """Row r: a token's embedding, the state before it and that state's position -> states of the head."""
        w = lambda name: self.of(f"layers.0.{name}", "mtp.")
        x, h = self.head_input(embedded, states)
        x = x + self.attention(h, w, positions, before)
        x = x + self.mlp(self.norm(x, w("post_attention_layernorm")), w)
        return self.norm(x, self.of("norm", "mtp."))


def head_tensors(model, seed):
    """Random, of the head's shapes; bfloat16."""
    t, random = model.text, np.random.default_rng(seed)
    hidden, d = t["hidden_size"], t["head_dim"]
    kv, inner = t["num_key_value_heads"] * d, t["intermediate_size"]
    matrices = {"fc": (hidden, 2 * hidden), "layers.0.mlp.gate_proj": (inner, hidden), "layers.0.mlp.up_proj": (inner, hidden),
                "layers.0.mlp.down_proj": (hidden, inner), "layers.0.self_attn.k_proj": (kv, hidden),
                "layers.0.self_attn.v_proj": (kv, hidden), "layers.0.self_attn.o_proj": (hidden, t["num_attention_heads"] * d),
                "layers.0.self_attn.q_proj": (2 * t["num_attention_heads"] * d, hidden)}
    norms = {name: hidden for name in ("norm", "pre_fc_norm_embedding", "pre_fc_norm_hidden", "layers.0.input_layernorm",
                                       "layers.0.post_attention_layernorm")}
    norms |= {"layers.0.self_attn.q_norm": d, "layers.0.self_attn.k_norm": d}
    drawn = {name: random.normal(0, 1.2 / np.sqrt(shape[1]), shape) for name, shape in matrices.items()}
    drawn |= {name: random.normal(0, 0.1, length) for name, length in norms.items()}
    return {f"mtp.{name}.weight": ("BF16", values.shape, as_bfloat16(values).tobytes()) for name, values in sorted(drawn.items())}


# ---------------------------------------------------------------------------------------------------- cases

def expected(model, folder):
    """What the head makes of the case's turns, by the names of expect.safetensors."""
    recorded = {name: values for name, (_, values, _) in read(folder / "expect.safetensors").items()}
    image = json.loads((folder.parent.parent / "config.json").read_text())["image_token_id"]
    out = {}
    for t, turn in enumerate(json.loads((folder / "case.json").read_text())["turns"]):
        ids = np.array(turn["input_ids"])
        positions = np.array(turn.get("position_ids") or [np.arange(len(ids))] * 3)
        x = model.of("embed_tokens")[ids]
        if (ids == image).any():
            x[ids == image] = recorded[f"t{t}.vision_features"]
        states = model.states(x, positions)
        known = recorded[f"t{t}.prompt_logits"]
        error = np.abs(model.logits(states[-len(known):]) - known).max()
        print(f"{folder.name} turn {t}: logits are off by {error:.1e}")
        if error > 2e-3:
            raise ValueError(f"Expected the logits that {folder} records")
        k, v = model.head_keys(x[1:], states[:-1], positions[:, :-1])
        made = model.head(x[1:], states[:-1], positions[:, :-1])
        logits = model.logits(made[-4:])
        # As if the model went on with the head's guess: the head on its own state.
        guess = model.of("embed_tokens")[[logits[-1].argmax()]]
        after = model.logits(model.head(guess, made[-1:], positions[:, -1:], (k, v)))
        flat = lambda a: a.reshape(len(a), -1)
        for name, values in dict(k=flat(k), v=flat(v), logits=logits, next_logits=after).items():
            out[f"t{t}.mtp_{name}"] = ("F32", values.shape, as_float32(values))
    return out


def make(out=CHECKPOINTS, seed=SEED):
    base, folder = out / "qwen3_5", out / "qwen3_5-mtp"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder, ignore=shutil.ignore_patterns("sizes.json", "cases"))
    for case in CASES:
        shutil.copytree(base / "cases" / case, folder / "cases" / case)
    tensors = {name: (kind, values.shape, raw) for name, (kind, values, raw) in read(base / "model.safetensors").items()}
    write(folder / "model.safetensors", tensors | head_tensors(Model(base), seed))
    model = Model(folder)
    for case in CASES:
        path = folder / "cases" / case
        kept = {name: (kind, values.shape, raw) for name, (kind, values, raw) in read(path / "expect.safetensors").items()}
        write(path / "expect.safetensors", kept | expected(model, path))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=CHECKPOINTS)
    parser.add_argument("--seed", type=int, default=SEED)
    make(**vars(parser.parse_args()))
