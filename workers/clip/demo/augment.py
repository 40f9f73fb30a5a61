"""Batches of varied emoji: turned, scaled, shifted, recoloured, on other backgrounds, as one tensor operation.

No picture is mirrored: left and right arrows are different concepts. Hues turn little: so are blue and green hearts.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def vary(rgba: Tensor, resolution: int, generator: torch.Generator) -> Tensor:
    """uint8 [B, 4, H, W] with transparency → float [B, 3, resolution, resolution] in 0–1, each varied on its own."""
    b = rgba.shape[0]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape or (b,), generator=generator)

    x = rgba.float() / 255
    x = torch.cat([x[:, :3] * x[:, 3:], x[:, 3:]], dim=1)  # premultiplied: no dark seams after resampling
    angle = uniform(-1, 1) * math.radians(20)
    zoom, squeeze = uniform(0.8, 1.25), uniform(0.9, 1.1)  # of the sampling grid: above 1 the drawing gets smaller
    shift = uniform(-0.15, 0.15, b, 2)
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    theta = torch.stack(
        [torch.stack([cos * squeeze, -sin, shift[:, 0]], 1), torch.stack([sin, cos / squeeze, shift[:, 1]], 1)], 1
    )  # [B, 2, 3]
    grid = functional.affine_grid(theta, [b, 4, resolution, resolution], align_corners=False)
    x = functional.grid_sample(x, grid, align_corners=False)
    rgb, alpha = x[:, :3], x[:, 3:]
    rgb = recolour(rgb, uniform(-0.15, 0.15), uniform(0.6, 1.4), uniform(0.75, 1.15))
    return (rgb.clamp(0, 1) + (1 - alpha) * backgrounds(b, resolution, generator)).clamp(0, 1)


def recolour(rgb: Tensor, hue: Tensor, saturation: Tensor, gain: Tensor) -> Tensor:
    """Turn the hue by `hue` radians around the grey axis, scale the distance from grey, scale everything; each [B]."""
    b = rgb.shape[0]
    grey = torch.full((3, 3), 1 / 3)
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    cos, sin = hue.cos().view(b, 1, 1), hue.sin().view(b, 1, 1)
    turn = cos * torch.eye(3) + sin * cross + (1 - cos) * grey  # Rodrigues' formula; keeps grey grey
    s = saturation.view(b, 1, 1)
    matrix = gain.view(b, 1, 1) * (s * turn + (1 - s) * grey)
    return torch.einsum("bij,bjhw->bihw", matrix, rgb)


def backgrounds(b: int, resolution: int, generator: torch.Generator) -> Tensor:
    """[B, 3, resolution, resolution]: half of them white, the others run from one light or dark colour to another."""
    ends = torch.rand(b, 3, 2, generator=generator) * 0.7 + torch.rand(b, 1, 1, generator=generator) * 0.3
    ramp = torch.linspace(0, 1, resolution)
    ramps = ends[:, :, :1] * ramp + ends[:, :, 1:] * (1 - ramp)  # [B, 3, resolution]
    upright = torch.rand(b, 1, 1, 1, generator=generator) < 0.5
    shape = (b, 3, resolution, resolution)
    ramps2d = torch.where(upright, ramps[:, :, :, None].expand(shape), ramps[:, :, None, :].expand(shape))
    white = torch.rand(b, 1, 1, 1, generator=generator) < 0.5
    return torch.where(white, torch.ones(()), ramps2d)
