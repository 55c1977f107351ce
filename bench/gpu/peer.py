"""Wan 2.1's transformer and one step of Mode Seeking meets Mean Seeking, written plainly in PyTorch, to compare with.

    python3 peer.py wan OUT.json --latents 21 [--samples FILE]
    python3 peer.py mmm OUT.json --latents 21

Weights and inputs are numbers made from a name and an index by whole arithmetic, the same as bench/gpu/Numbers.cs
makes: nothing is exchanged but the results. Matrices are multiplied in bfloat16; residuals, norms and modulation are
float32.
"""
import argparse
import json
import math
import time

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

MASK = 0xFFFFFFFF


def numbers(name, shape, deviation, device, mean=0.0, dtype=torch.float32):
    """Even numbers of a deviation around a mean: a hash of the name's and the index's."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 & MASK
    h = (torch.arange(math.prod(shape), dtype=torch.int64, device=device) * 0x9E3779B1 + seed) & MASK
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & MASK
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & MASK
    h = h ^ (h >> 16)
    return (((h.double() + 0.5) / 4294967296 - 0.5) * (deviation * math.sqrt(12)) + mean).to(dtype).reshape(shape)


class Weights:
    """Parameters by name, made when they are first asked for."""

    def __init__(self, device, dtype, trained, prefix=""):
        self.device, self.dtype, self.trained, self.prefix, self.all = device, dtype, trained, prefix, {}

    def __call__(self, name, *shape):
        if name not in self.all:
            deviation, mean = 0.02, 0.0
            if "norm" in name and name.endswith("weight"):
                mean = 1.0
            elif name.endswith("modulation"):
                deviation = shape[-1] ** -0.5
            elif len(shape) > 1:
                deviation = math.prod(shape[1:]) ** -0.5
            value = numbers(self.prefix + name, shape, deviation, self.device, mean, self.dtype)
            self.all[name] = value.requires_grad_(self.trained)
        return self.all[name]

    def linear(self, name, x, out):
        weight, bias = self(name + ".weight", out, x.shape[-1]), self(name + ".bias", out)
        return F.linear(x, weight.to(x.dtype), bias.to(x.dtype))


class Wan:
    """With head_blocks it is the student: two heads of so many blocks, and the encoder's blocks before them."""

    def __init__(self, weights, c, head_blocks=0):
        self.w, self.c, self.head_blocks = weights, c, head_blocks
        self.table = None

    def rms(self, name, x):
        return F.rms_norm(x.float(), (x.shape[-1],), self.w(name + ".weight", x.shape[-1]).float(), 1e-6).to(x.dtype)

    def attention(self, name, x, context, rotate):
        heads, dim = self.c.heads, self.c.dim
        def split(y):
            return y.unflatten(2, (heads, dim // heads))
        q = split(self.rms(name + ".norm_q", self.w.linear(name + ".q", x, dim)))
        k = split(self.rms(name + ".norm_k", self.w.linear(name + ".k", context, dim)))
        v = split(self.w.linear(name + ".v", context, dim))
        if rotate:
            q, k = self.rotate(q), self.rotate(k)
        y = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        return self.w.linear(name + ".o", y.transpose(1, 2).flatten(2), dim)

    def rotate(self, x):
        pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
        return torch.view_as_real(pairs * self.table).flatten(-2).to(x.dtype)

    def block(self, name, x, e, text):
        dim = self.c.dim
        modulation = self.w(name + ".modulation", 1, 6, dim).float() + e
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation.unsqueeze(2).unbind(1)

        def norm(y, shift, scale):
            return (F.layer_norm(y, (dim,), eps=1e-6) * (1 + scale) + shift).bfloat16()

        y = norm(x, shift1, scale1)
        x = x + self.attention(name + ".self_attn", y, y, True).float() * gate1
        weight, bias = self.w(name + ".norm3.weight", dim).float(), self.w(name + ".norm3.bias", dim).float()
        y = F.layer_norm(x, (dim,), weight, bias, 1e-6).bfloat16()
        x = x + self.attention(name + ".cross_attn", y, text, False).float()
        y = F.gelu(self.w.linear(name + ".ffn.0", norm(x, shift2, scale2), self.c.ffn), approximate="tanh")
        return x + self.w.linear(name + ".ffn.2", y, dim).float() * gate2

    def blocks(self, names, x, e, text):
        for name in names:
            if torch.is_grad_enabled():
                x = checkpoint(self.block, name, x, e, text, use_reentrant=False)
            else:
                x = self.block(name, x, e, text)
        return x

    def rotary(self, t, h, w, device):
        half = self.c.dim // self.c.heads // 2
        space = half // 3

        def angles(n, count):
            exponents = torch.arange(count, dtype=torch.float64) / count
            return torch.outer(torch.arange(n, dtype=torch.float64), 10000.0 ** -exponents)
        a = torch.cat([angles(t, half - 2 * space).view(t, 1, 1, -1).expand(t, h, w, -1),
                       angles(h, space).view(1, h, 1, -1).expand(t, h, w, -1),
                       angles(w, space).view(1, 1, w, -1).expand(t, h, w, -1)], -1).reshape(t * h * w, 1, half)
        return torch.polar(torch.ones_like(a), a).to(torch.complex64).to(device)

    def embed(self, x, step, text):
        dim = self.c.dim
        weight, bias = self.w("patch_embedding.weight", dim, 16, 1, 2, 2), self.w("patch_embedding.bias", dim)
        grid = F.conv3d(x.bfloat16(), weight.bfloat16(), bias.bfloat16(), stride=(1, 2, 2))
        self.size = grid.shape[2:]
        if self.table is None:
            self.table = self.rotary(*self.size, x.device)
        exponents = torch.arange(128, dtype=torch.float64, device=x.device) / 128
        angles = (step * 10000.0 ** -exponents).unsqueeze(0)
        e = torch.cat([angles.cos(), angles.sin()], -1).float()
        e = self.w.linear("time_embedding.2", F.silu(self.w.linear("time_embedding.0", e, dim)), dim)
        six = self.w.linear("time_projection.1", F.silu(e), 6 * dim).unflatten(1, (6, dim))
        text = F.gelu(self.w.linear("text_embedding.0", text.bfloat16(), dim), approximate="tanh")
        text = self.w.linear("text_embedding.2", text, dim)
        return grid.flatten(2).transpose(1, 2).float(), e, six, text

    def head(self, name, x, e):
        modulation = self.w(name + ".modulation", 1, 2, self.c.dim).float() + e.unsqueeze(1)
        shift, scale = modulation.unsqueeze(2).unbind(1)
        y = self.w.linear(name + ".head", F.layer_norm(x, (self.c.dim,), eps=1e-6) * (1 + scale) + shift, 64)
        t, h, w = self.size
        return y.view(1, t, h, w, 1, 2, 2, 16).permute(0, 7, 1, 4, 2, 5, 3, 6).reshape(1, 16, t, 2 * h, 2 * w)

    def forward(self, x, step, text, head=""):
        x, e, six, text = self.embed(x, step, text)
        x = self.blocks([f"blocks.{i}" for i in range(self.c.layers - self.head_blocks)], x, six, text)
        if not head:
            return self.head("head", x, e)
        x = self.blocks([f"{head}.blocks.{i}" for i in range(self.head_blocks)], x, six, text)
        return self.head(head + ".head", x, e)


def inputs(c, latents, name):
    return numbers(name, (1, 16, latents, c.height, c.width), 1, c.device)


def synchronise(c):
    if c.device != "cpu":
        torch.cuda.synchronize()


def timed(c, work, turns):
    seconds, result = [], None
    for _ in range(turns):
        result = None
        synchronise(c)
        start = time.perf_counter()
        result = work()
        synchronise(c)
        seconds.append(time.perf_counter() - start)
    return seconds, result


@torch.no_grad()
def wan(c):
    model = Wan(Weights(c.device, torch.bfloat16, False), c)
    x, text = inputs(c, c.latents, "x"), numbers("text", (1, 512, c.text), 1, c.device)
    timed(c, lambda: model.forward(inputs(c, 1, "x"), 500, text), 1)   # the weights are made
    model.table = None
    seconds, v = timed(c, lambda: model.forward(x, 500, text), c.turns)
    if c.samples:
        v.flatten()[::97].float().cpu().numpy().tofile(c.samples)
    return {"seconds": seconds, "norm": v.double().norm().item()}


def mmm(c):
    text = numbers("text", (1, 512, c.text), 1, c.device)
    student = Wan(Weights(c.device, torch.float32, True, "student."), c, c.head_blocks)
    critic = Wan(Weights(c.device, torch.float32, True, "critic."), c)
    teacher = Wan(Weights(c.device, torch.bfloat16, False, "teacher."), c)
    x0, noise, z, second, third = (inputs(c, c.latents, n) for n in ("x0", "noise", "z", "second", "third"))
    optimisers = []

    def noisy(x, n, sigma):
        return x * (1 - sigma) + n * sigma

    def gradients():
        fm = (student.forward(noisy(x0, noise, 0.6), 600, text, "fm_head") - (noise - x0)).square().mean()
        fm.backward()
        video = z - student.forward(z, 1000, text, "dm_head")
        with torch.no_grad():
            at = noisy(video, second, 0.7)
            real, fake = (at - net.forward(at, 700, text) * 0.7 for net in (teacher, critic))
            apart = (video - real).abs().mean()
            toward = torch.nan_to_num((fake - real) / apart)
            gap = (fake - real).abs().mean() / apart
        dm = 0.5 * (video - (video - toward).detach()).square().mean()
        dm.backward()
        video = video.detach()
        learnt = (critic.forward(noisy(video, third, 0.4), 400, text) - (third - video)).square().mean()
        learnt.backward()
        return {"fm": fm.item(), "dm": dm.item(), "gap": gap.item(), "critic": learnt.item()}

    def norm(net):
        return torch.stack([p.grad.norm() for p in net.w.all.values() if p.grad is not None]).norm().item()

    def step():
        found = gradients()
        if not optimisers:
            found |= {"studentGradient": norm(student), "criticGradient": norm(critic)}
            how = {"lr": 1e-5, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.01, "fused": c.device != "cpu"}
            optimisers.extend(torch.optim.AdamW(n.w.all.values(), **how) for n in (student, critic))
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return found
    _, first = timed(c, step, 1)
    seconds, _ = timed(c, step, c.turns)
    return {"seconds": seconds} | first


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("part", choices=["wan", "mmm"])
    arguments.add_argument("out")
    for name, value in (("latents", 21), ("layers", 30), ("head-blocks", 5), ("dim", 1536), ("ffn", 8960),
                        ("heads", 12), ("text", 4096), ("height", 60), ("width", 104), ("turns", 2)):
        arguments.add_argument("--" + name, type=int, default=value)
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--samples")
    c = arguments.parse_args()
    result = {"torch": torch.__version__, "device": torch.cuda.get_device_name() if c.device != "cpu" else "cpu"}
    result |= {"wan": wan, "mmm": mmm}[c.part](c)
    if c.device != "cpu":
        result |= {"peakBytes": torch.cuda.max_memory_allocated(), "reservedBytes": torch.cuda.max_memory_reserved()}
    with open(c.out, "w") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main()
