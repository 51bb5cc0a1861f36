"""Blocks as models are built of them, each in a few lines: mixers, gates, attention, pyramids, heads."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from benchmarks.form_modules import SEED, Case, Kind

Tensor = torch.Tensor


class _SqueezeExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(6, 3, 1), nn.Conv2d(3, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = functional.relu(self.down(functional.adaptive_avg_pool2d(x, 1)), inplace=True)
        return x * functional.hardsigmoid(self.up(gate))


class _SqueezeByPool(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        pooled = functional.avg_pool2d(x, x.shape[2:]).view(x.size(0), -1)
        return x * torch.sigmoid(self.linear(pooled))[:, :, None, None]


class _ChannelConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x.mean((2, 3)).unsqueeze(1)).transpose(1, 2).unsqueeze(-1)
        found: Tensor = x * y.sigmoid().expand_as(x)
        return found


class _SpatialGate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], dim=1)
        return x * torch.sigmoid(self.conv(both))


class _ConvNext(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.depth = nn.Conv2d(6, 6, 7, padding=3, groups=6)
        self.norm, self.up, self.down = nn.LayerNorm(6, eps=1e-6), nn.Linear(6, 24), nn.Linear(24, 6)
        self.scale = nn.Parameter(torch.full((6,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depth(x).permute(0, 2, 3, 1))
        y = self.down(functional.gelu(self.up(y))) * self.scale
        found: Tensor = x + y.permute(0, 3, 1, 2)
        return found


class _ResponseNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.rand(1, 1, 1, 6)), nn.Parameter(torch.rand(1, 1, 1, 6))

    def forward(self, x: Tensor) -> Tensor:
        y = x.permute(0, 2, 3, 1)
        size = torch.norm(y, p=2, dim=(1, 2), keepdim=True)
        y = self.gamma * (y * (size / (size.mean(dim=-1, keepdim=True) + 1e-6))) + self.beta + y
        found: Tensor = y.permute(0, 3, 1, 2)
        return found


class _Shuffle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=1)
        y = torch.cat((first, functional.relu6(self.norm(self.conv(second)))), dim=1)
        n, c, h, w = y.size()
        return y.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


class _Blur(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("kernel", (row[:, None] * row[None, :] / 16)[None, None].repeat(6, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        padded = functional.pad(x, [1, 1, 1, 1], mode="reflect")
        return functional.conv2d(padded, cast(Tensor, self.kernel), stride=2, groups=x.shape[1])


class _Focus(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(24, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        parts = [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]]
        return functional.silu(self.conv(torch.cat(parts, 1)))


class _Pyramid(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(6, 6, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        low = self.conv(x)
        y = x + functional.interpolate(low, size=x.shape[-2:], mode="nearest")
        pooled = functional.max_pool2d(y, 5, stride=1, padding=2)
        return torch.cat([y, pooled, functional.max_pool2d(pooled, 5, 1, 2)], 1)


class _Split(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.start, self.inner = nn.Conv2d(6, 8, 1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.start(x).chunk(2, 1))
        for _ in range(2):
            parts.append(parts[-1] + self.inner(parts[-1]))
        return torch.cat(parts, 1)


class _Ghost(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.primary, self.cheap = nn.Conv2d(6, 4, 1), nn.Conv2d(4, 4, 3, padding=1, groups=4)

    def forward(self, x: Tensor) -> Tensor:
        first = functional.relu(self.primary(x))
        return torch.cat([first, functional.relu(self.cheap(first))], dim=1)[:, :7, :, :]


class _Patches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(6, 8, 4, stride=4)
        self.token, self.place = nn.Parameter(torch.rand(1, 1, 8)), nn.Parameter(torch.rand(1, 10, 8))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x).flatten(2).transpose(1, 2)
        return (torch.cat((self.token.expand(x.shape[0], -1, -1), y), dim=1) + self.place)[:, 0]


class _Attention(nn.Module):
    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        n, t, c = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, 2, c // 2).permute(2, 0, 3, 1, 4).unbind(0)
        if self.way == "fused":
            y = functional.scaled_dot_product_attention(q, k, v)
        elif self.way == "einsum":
            y = torch.einsum("bhij,bhjd->bhid", (torch.einsum("bhid,bhjd->bhij", q, k) * 0.5).softmax(-1), v)
        elif self.way == "causal":
            mask = torch.triu(torch.ones(t, t, dtype=torch.bool), diagonal=1)
            y = (q @ k.transpose(-2, -1) * 0.5).masked_fill(mask, float("-inf")).softmax(dim=-1) @ v
        else:
            y = functional.dropout((q @ k.transpose(-2, -1) * 0.5).softmax(dim=-1), 0.1, self.training) @ v
        found: Tensor = self.out(y.transpose(1, 2).reshape(n, t, c))
        return found


class _Windows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        n, h, w, c = x.shape
        y = torch.roll(x, shifts=(-1, -1), dims=(1, 2)).view(n, h // 2, 2, w // 2, 2, c)
        y = self.linear(y.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, 4, c))
        y = y.view(n, h // 2, w // 2, 2, 2, c).permute(0, 1, 3, 2, 4, 5).contiguous().view(n, h, w, c)
        return torch.roll(y, shifts=(1, 1), dims=(1, 2))


class _Rotary(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        angles = torch.outer(torch.arange(5.0), 10.0 ** -torch.arange(4.0))
        self.cos = nn.Parameter(angles.cos().repeat(1, 2))
        self.sin = nn.Parameter(angles.sin().repeat(1, 2))

    def forward(self, x: Tensor) -> Tensor:
        first, second = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
        return x * self.cos[: x.shape[1]] + torch.cat((-second, first), dim=-1) * self.sin[: x.shape[1]]


class _SwiGlu(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.down, self.weight = nn.Linear(8, 24), nn.Linear(12, 8), nn.Parameter(torch.rand(8))

    def forward(self, x: Tensor) -> Tensor:
        y = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight
        gate, value = self.up(y).chunk(2, dim=-1)
        found: Tensor = x + self.down(functional.silu(gate) * value)
        return found


class _Cosine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.scale = nn.Parameter(torch.rand(5, 8)), nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale.exp() * functional.linear(functional.normalize(x), functional.normalize(self.weight, dim=1))


class _Temporal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.wide = nn.Conv1d(6, 6, 3, dilation=2), nn.Conv1d(6, 6, 3, padding=4, dilation=2)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.conv(functional.pad(x, (4, 0))))
        y = self.wide(y)[:, :, :-4].contiguous()
        return torch.relu_(y + x)


class _LastStep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.LSTM(6, 7, batch_first=True), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.rnn(x)
        return functional.log_softmax(self.head(y[:, -1, :]), dim=1)


class _Points(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv1d(6, 9, 1), nn.BatchNorm1d(9), nn.Linear(9, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.max(functional.leaky_relu(self.norm(self.conv(x)), 0.2), 2, keepdim=True)[0]
        found: Tensor = self.head(y.view(-1, 9))
        return found


class _SoftArgmax(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        heat = functional.softmax(x.flatten(2), dim=-1).view(n, c, h, w)
        rows, columns = torch.arange(h, dtype=x.dtype), torch.arange(w, dtype=x.dtype)
        return torch.stack([(heat.sum(3) * rows).sum(-1), (heat.sum(2) * columns).sum(-1)], dim=-1)


class _Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1)
        self.norm, self.out = nn.GroupNorm(2, 4), nn.Conv2d(4, 12, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.elu(self.norm(self.up(x)))
        y = functional.interpolate(y, scale_factor=(2.0, 2.0), mode="bilinear", align_corners=False)
        return torch.tanh(functional.pixel_shuffle(self.out(y), 2))


class _Standardized(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(6, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.conv.weight
        mean = weight.mean(dim=(1, 2, 3), keepdim=True)
        deviation = weight.std(dim=(1, 2, 3), keepdim=True, unbiased=False)
        y = functional.conv2d(x, (weight - mean) / (deviation + 1e-5), self.conv.bias, padding=1)
        return functional.instance_norm(y)


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(6, 6, 3, 1, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.gain = nn.Parameter(torch.rand(6, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        y *= self.gain
        y += x
        return functional.hardswish(y, inplace=True)


class _Maxout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 12)

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x).view(*x.shape[:-1], 4, 3)
        return torch.where(x[..., :4] > 0.5, y.amax(-1), y.logsumexp(-1).clamp(min=0.0, max=2.0))


class _Graph(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(8, 3))
        self.register_buffer("edges", (torch.rand(5, 5) > 0.5).float() + torch.eye(5))

    def forward(self, x: Tensor) -> Tensor:
        edges = cast(Tensor, self.edges)
        return torch.bmm((edges / edges.sum(1, keepdim=True)).expand(x.shape[0], 5, 5), x @ self.weight)


class _Embedded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.place, self.norm = nn.Embedding(11, 8), nn.Embedding(5, 8), nn.LayerNorm(8)

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.size(1), device=tokens.device).unsqueeze(0).expand_as(tokens)
        found: Tensor = self.norm(self.table(tokens) + self.place(places))
        return found


class _Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv1d(6, 5, 3))

    def forward(self, x: Tensor) -> Tensor:
        return functional.glu(functional.pad(self.conv(x), (1, 1), mode="replicate").repeat(1, 2, 1), dim=1)


def blocks() -> Iterator[Case]:
    """Every block, with what it is called on."""
    torch.manual_seed(SEED)
    image, row, tokens, vector = torch.rand(1, 6, 12, 16), torch.rand(2, 6, 9), torch.rand(2, 5, 8), torch.rand(3, 8)
    of_images: tuple[Kind, ...] = (
        _SqueezeExcite, _SqueezeByPool, _ChannelConv, _SpatialGate, _ConvNext, _ResponseNorm, _Shuffle, _Blur, _Focus,
        _Pyramid, _Split, _Ghost, _SoftArgmax, _Decoder, _Standardized, _Residual,
    )  # fmt: skip
    of_rows: tuple[Kind, ...] = (_Temporal, _Points, _Normed)
    of_tokens: tuple[Kind, ...] = (_Rotary, _SwiGlu, _Maxout, _Graph)
    for kind in of_images:
        yield Case(kind.__name__.lstrip("_"), partial(kind), (image,))
    for kind in of_rows:
        yield Case(kind.__name__.lstrip("_"), partial(kind), (row,))
    for kind in of_tokens:
        yield Case(kind.__name__.lstrip("_"), partial(kind), (tokens,))
    attention: Kind = _Attention
    for way in ("plain", "fused", "einsum", "causal"):
        yield Case(f"Attention({way})", partial(attention, way=way), (tokens,))
    others: tuple[tuple[Kind, Tensor], ...] = (
        (_Patches, torch.rand(1, 6, 12, 12)),
        (_Windows, torch.rand(1, 4, 8, 6)),
        (_LastStep, torch.rand(2, 9, 6)),
        (_Cosine, vector),
        (_Embedded, torch.randint(0, 11, (2, 5))),
    )
    for kind, given in others:
        yield Case(kind.__name__.lstrip("_"), partial(kind), (given,))
