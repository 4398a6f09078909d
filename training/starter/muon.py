"""Muon for matrices, AdamW for everything else (https://kellerjordan.github.io/posts/muon/,
scaled to AdamW's update size as in https://arxiv.org/abs/2502.16982)."""
import torch


def orthogonal(g, steps=4):
    """The nearest semi-orthogonal matrix of a batch [n, rows, columns], by a quintic Newton–Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g / (g.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for _ in range(steps):
        s = x @ x.mT
        x = a * x + (b * s + c * s @ s) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Groups with `matrix=True` hold matrices of one shape; their `split` cuts rows that are stacked (q, k, v)."""

    def __init__(self, groups, lr, betas=(0.9, 0.98), momentum=0.95, decay=0.02):
        super().__init__(groups, dict(lr=lr, betas=betas, momentum=momentum, decay=decay, matrix=False, split=1))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                (self._matrices if group["matrix"] else self._adam)(group, params)

    def _matrices(self, group, params):
        m = group["momentum"]
        for p in params:
            if "velocity" not in self.state[p]:
                self.state[p]["velocity"] = torch.zeros_like(p)
            self.state[p]["velocity"].lerp_(p.grad, 1 - m)
        ahead = [p.grad.lerp(self.state[p]["velocity"], m) for p in params]
        stacked = torch.cat([torch.stack(u.chunk(group["split"])) for u in ahead])
        updates = orthogonal(stacked).split(group["split"])
        for p, update in zip(params, updates):
            rows, columns = update.shape[-2:]
            p.mul_(1 - group["lr"] * group["decay"])
            p.add_(update.reshape_as(p), alpha=-group["lr"] * 0.2 * max(rows, columns) ** 0.5)

    def _adam(self, group, params):
        b1, b2 = group["betas"]
        for p in params:
            s = self.state[p]
            if not s:
                s["step"], s["m"], s["v"] = 0, torch.zeros_like(p), torch.zeros_like(p)
            s["step"] += 1
            s["m"].lerp_(p.grad, 1 - b1)
            s["v"].lerp_(p.grad.square(), 1 - b2)
            rate = group["lr"] * (1 - b2 ** s["step"]) ** 0.5 / (1 - b1 ** s["step"])
            p.addcdiv_(s["m"], s["v"].sqrt().add_(1e-8), value=-rate)


def build(modules, lr, adam_lr):
    """The optimiser of named modules: hidden matrices by shape to Muon, the rest to Adam.
    `names` lists the parameters in the order of the groups."""
    matrices, rest = {}, []
    for name, p in (item for module in modules for item in module.named_parameters()):
        if p.ndim == 2 and any(part in name for part in (".blocks.", ".layers.", "merger")):
            matrices.setdefault((tuple(p.shape), blocks(name)), []).append((name, p))
        else:
            rest.append((name, p))
    groups = [dict(params=[p for _, p in items], matrix=True, split=split, lr=lr, peak=lr)
              for (_, split), items in matrices.items()]
    groups.append(dict(params=[p for _, p in rest], lr=adam_lr, peak=adam_lr))
    optimizer = Muon(groups, lr)
    optimizer.names = [n for items in [*matrices.values(), rest] for n, _ in items]
    return optimizer


def blocks(name):
    """Row blocks to treat apart: q, k and v; and quarters of a merger's 1024×1024, which would cost most of a step."""
    if "qkv" in name:
        return 3
    return 4 if "merger" in name and "linear_fc1" in name else 1
