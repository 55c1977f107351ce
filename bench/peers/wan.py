"""Wan 2.1's transformer as one writes it in PyTorch: bfloat16 weights and products, float32 modulation and norms."""
import sys
import torch
import torch.nn.functional as F
from torch import nn
from peer import serve


def rms(x, weight, eps=1e-6):
    f = x.float()
    return (f * torch.rsqrt(f.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype) * weight


def rotate(x, table):
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * table).flatten(-2).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.norm_q, self.norm_k = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.ones(dim))

    def forward(self, x, context, table=None):
        def split(y):
            return y.reshape(*y.shape[:2], self.heads, -1)
        q, k, v = split(rms(self.q(x), self.norm_q)), split(rms(self.k(context), self.norm_k)), split(self.v(context))
        if table is not None:
            q, k = rotate(q, table), rotate(k, table)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.o(y.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, dim, ffn, heads):
        super().__init__()
        self.self_attn, self.cross_attn = Attention(dim, heads), Attention(dim, heads)
        self.norm3 = nn.LayerNorm(dim, 1e-6)
        self.ffn = nn.Sequential(nn.Linear(dim, ffn), nn.GELU(approximate="tanh"), nn.Linear(ffn, dim))
        self.modulation = nn.Parameter(torch.randn(1, 6, dim) / dim ** 0.5)

    def forward(self, x, e, context, table):
        e = (self.modulation.float() + e).unsqueeze(2).unbind(1)
        half = self.norm3.weight.dtype

        def norm(y, shift, scale):
            return (F.layer_norm(y, y.shape[-1:], eps=1e-6) * (1 + scale) + shift).to(half)
        x = x + self.self_attn(norm(x, e[0], e[1]), norm(x, e[0], e[1]), table).float() * e[2]
        x = x + self.cross_attn(self.norm3(x.to(half)), context).float()
        return x + self.ffn(norm(x, e[3], e[4])).float() * e[5]


class Wan(nn.Module):
    def __init__(self, dim, ffn, heads, layers, text):
        super().__init__()
        self.dim, self.heads = dim, heads
        self.patches = nn.Conv3d(16, dim, (1, 2, 2), stride=(1, 2, 2))
        self.text = nn.Sequential(nn.Linear(text, dim), nn.GELU(approximate="tanh"), nn.Linear(dim, dim))
        self.time = nn.Sequential(nn.Linear(256, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.project = nn.Linear(dim, 6 * dim)
        self.blocks = nn.ModuleList(Block(dim, ffn, heads) for _ in range(layers))
        self.head, self.modulation = nn.Linear(dim, 64), nn.Parameter(torch.randn(1, 2, dim) / dim ** 0.5)

    def table(self, t, h, w):
        half = self.dim // self.heads // 2
        space = half // 3
        def angles(n, count):
            return torch.outer(torch.arange(n, dtype=torch.float64), 10000.0 ** -(torch.arange(count, dtype=torch.float64) / count))
        a = torch.cat([angles(t, half - 2 * space).view(t, 1, 1, -1).expand(t, h, w, -1), angles(h, space).view(1, h, 1, -1).expand(t, h, w, -1),
                       angles(w, space).view(1, 1, w, -1).expand(t, h, w, -1)], -1).reshape(t * h * w, 1, half)
        return torch.polar(torch.ones_like(a), a).to(torch.complex64)

    def forward(self, x, time, text):
        half = self.head.weight.dtype
        grid = self.patches(x.to(half))
        tokens = grid.flatten(2).transpose(1, 2).float()
        angles = time.double().unsqueeze(-1) * 10000.0 ** -(torch.arange(128, dtype=torch.float64) / 128)
        e = self.time(torch.cat([angles.cos(), angles.sin()], -1).to(half))
        six = self.project(F.silu(e)).float().view(-1, 6, self.dim)
        context, table = self.text(text.to(half)), self.table(*grid.shape[2:])
        for block in self.blocks:
            tokens = block(tokens, six, context, table)
        shift, scale = (self.modulation.float() + e.float().unsqueeze(1)).unsqueeze(2).unbind(1)
        return self.head((F.layer_norm(tokens, tokens.shape[-1:], eps=1e-6) * (1 + scale) + shift).to(half)).float()


if __name__ == "__main__":
    dim, ffn, heads, layers, text, length, latents, side = map(int, sys.argv[1:])
    model = Wan(dim, ffn, heads, layers, text).to(torch.bfloat16)
    x, time, words = torch.randn(1, 16, latents, side, side), torch.full((1,), 500.0), torch.randn(1, length, text)
    serve({"forward": lambda: (model(x, time, words), None)[1]})
