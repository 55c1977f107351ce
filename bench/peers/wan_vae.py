"""The decoder of Wan 2.1's causal autoencoder as one writes it in PyTorch: latent by latent, with a cache of the two frames before."""
import sys
import torch
import torch.nn.functional as F
from torch import nn
from peer import serve


class CausalConv(nn.Conv3d):
    def __init__(self, inner, outer, size, border=0):
        super().__init__(inner, outer, size, padding=(0, border, border))
        self.history = self.kernel_size[0] - 1

    def forward(self, x, cache):
        if self.history == 0:
            return super().forward(x)
        before = cache.get(self)
        x = F.pad(x, (0, 0, 0, 0, self.history, 0)) if before is None else torch.cat([before, x], 2)
        cache[self] = x[:, :, -self.history:].clone()
        return super().forward(x)


class Norm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim, 1, 1, 1))

    def forward(self, x):
        return F.normalize(x, dim=1) * self.gamma.shape[0] ** 0.5 * self.gamma


class Block(nn.Module):
    def __init__(self, inner, outer):
        super().__init__()
        self.norm1, self.conv1 = Norm(inner), CausalConv(inner, outer, 3, 1)
        self.norm2, self.conv2 = Norm(outer), CausalConv(outer, outer, 3, 1)
        self.shortcut = CausalConv(inner, outer, 1) if inner != outer else None

    def forward(self, x, cache):
        h = self.conv1(F.silu(self.norm1(x)), cache)
        h = self.conv2(F.silu(self.norm2(h)), cache)
        return h + (x if self.shortcut is None else self.shortcut(x, cache))


class FrameAttention(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.qkv, self.proj = Norm(dim), nn.Conv2d(dim, 3 * dim, 1), nn.Conv2d(dim, dim, 1)

    def forward(self, x, cache):
        b, c, t, h, w = x.shape
        y = self.norm(x).transpose(1, 2).reshape(b * t, c, h, w)
        q, k, v = self.qkv(y).reshape(b * t, 3, c, h * w).transpose(2, 3).unbind(1)
        y = torch.softmax(q @ k.transpose(1, 2) * c ** -0.5, -1) @ v
        y = self.proj(y.transpose(1, 2).reshape(b * t, c, h, w))
        return x + y.reshape(b, t, c, h, w).transpose(1, 2)


class Upsample(nn.Module):
    def __init__(self, dim, temporal):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim // 2, 3, padding=1)
        self.time = CausalConv(dim, 2 * dim, (3, 1, 1)) if temporal else None

    def forward(self, x, cache):
        b, c, t, h, w = x.shape
        if self.time is not None:
            if self not in cache:
                cache[self] = True      # the first frame of a video stays single
            else:
                x = self.time(x, cache).reshape(b, 2, c, t, h, w).permute(0, 2, 3, 1, 4, 5).reshape(b, c, 2 * t, h, w)
        t = x.shape[2]
        y = F.interpolate(x.transpose(1, 2).reshape(b * t, c, h, w), scale_factor=2, mode="nearest")
        return self.conv(y).reshape(b, t, c // 2, 2 * h, 2 * w).transpose(1, 2)


class Decoder(nn.Module):
    def __init__(self, dim, z, mult, blocks, temporal):
        super().__init__()
        width = dim * mult[-1]
        self.enter, self.first = CausalConv(z, z, 1), CausalConv(z, width, 3, 1)
        layers = [Block(width, width), FrameAttention(width), Block(width, width)]
        for stage in reversed(range(len(mult))):
            for _ in range(blocks + 1):
                layers.append(Block(width, dim * mult[stage]))
                width = dim * mult[stage]
            if stage:
                layers.append(Upsample(width, temporal[stage - 1]))
                width //= 2
        self.layers, self.norm, self.last = nn.ModuleList(layers), Norm(width), CausalConv(width, 3, 3, 1)

    def step(self, z, cache):
        x = self.first(self.enter(z, cache), cache)
        for layer in self.layers:
            x = layer(x, cache)
        return self.last(F.silu(self.norm(x)), cache).float().clamp_(-1, 1)

    def decode(self, z):
        cache = {}
        return torch.cat([self.step(z[:, :, i:i + 1], cache) for i in range(z.shape[2])], 2)


if __name__ == "__main__":
    dim, z, mult, blocks, temporal, latents, height, width = sys.argv[1:]
    model = Decoder(int(dim), int(z), [int(m) for m in mult.split(",")], int(blocks), [t == "1" for t in temporal.split(",")])
    noise = torch.randn(1, int(z), int(latents), int(height), int(width))
    half = model, noise
    import copy
    models = {"float32": (model, noise), "bfloat16": (copy.deepcopy(model).to(torch.bfloat16), noise.to(torch.bfloat16))}
    serve({name: (lambda m=m, x=x: (m.decode(x), None)[1]) for name, (m, x) in models.items()})
