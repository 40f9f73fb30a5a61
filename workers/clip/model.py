"""CLIP in one file: a vision transformer and a text transformer that meet in one embedding space.

Guarantees the numbers of Radford et al. 2021 (arXiv:2103.00020): given the same weights, features equal the published
models' to 1e-5 in fp32. Module names follow the published checkpoints, so that reading one is a matter of renaming.

Shapes in comments: B batch, T sequence length, D width, H heads, E embedding, R resolution, P patch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True, kw_only=True)
class CLIPConfig:
    """Every size of a CLIP with a ViT tower. The defaults are ViT-B/32 as published."""

    embed_dim: int = 512  # E, the space in which pictures and texts meet
    image_resolution: int = 224  # R, pixels on a side
    vision_patch: int = 32  # P
    vision_width: int = 768
    vision_layers: int = 12
    vision_heads: int = 12  # the published models all have 64 channels a head, in both towers
    vision_mlp: int = 3072
    context_length: int = 77  # 75 tokens between the start and the end token
    vocab_size: int = 49408  # 256 bytes + 256 bytes that end a word + 48,894 merges + start + end
    text_width: int = 512
    text_layers: int = 12
    text_heads: int = 8
    text_mlp: int = 2048
    activation: Literal["quick_gelu", "gelu"] = "quick_gelu"  # later re-trainings took the exact one

    def __post_init__(self) -> None:
        """Raises ValueError for sizes that cannot be built."""
        small = [f.name for f in fields(self) if f.name != "activation" and getattr(self, f.name) < 1]
        if small:
            raise ValueError(f"{', '.join(small)} must be at least 1")
        for width, heads in ((self.vision_width, self.vision_heads), (self.text_width, self.text_heads)):
            if width % heads:
                raise ValueError(f"width {width} cannot be shared out among {heads} heads")
        if self.image_resolution % self.vision_patch:
            raise ValueError(f"patches of {self.vision_patch} do not tile a side of {self.image_resolution} pixels")


class QuickGELU(nn.Module):
    """x · σ(1.702 x), the sigmoid approximation of GELU (Hendrycks & Gimpel 2016, §2) that CLIP was trained with.

    It differs from the exact GELU by up to 0.02 at each layer: a checkpoint works with its own of the two only.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class Attention(nn.Module):
    """Multi-head self-attention with query, key and value in one projection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        b, t, d = x.shape
        qkv = self.in_proj(x).view(b, t, 3, self.heads, d // self.heads)  # [B, T, 3, H, D/H]
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [B, H, T, D/H]
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.out_proj(y.transpose(1, 2).reshape(b, t, d))  # type: ignore[no-any-return]


class MLP(nn.Module):
    def __init__(self, width: int, hidden: int, activation: str) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, hidden)
        self.act = QuickGELU() if activation == "quick_gelu" else nn.GELU()
        self.c_proj = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(self.act(self.c_fc(x)))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Pre-norm residual block: the norm comes before each sub-layer, so the residual path stays clean."""

    def __init__(self, width: int, heads: int, hidden: int, activation: str) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = MLP(width, hidden, activation)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        x = x + self.attn(self.ln_1(x), causal)
        return x + self.mlp(self.ln_2(x))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    def __init__(self, width: int, layers: int, heads: int, hidden: int, activation: str, causal: bool) -> None:
        super().__init__()
        self.width, self.causal = width, causal
        self.resblocks = nn.ModuleList(Block(width, heads, hidden, activation) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.resblocks:
            x = block(x, self.causal)
        return x

    def reset_parameters(self) -> None:
        # Projections that write into the residual path shrink with depth, so that its variance does not grow with it.
        std = self.width**-0.5
        residual_std = std * (2 * len(self.resblocks)) ** -0.5
        for block in self.resblocks:
            assert isinstance(block, Block)
            nn.init.normal_(block.attn.in_proj.weight, std=std)
            nn.init.normal_(block.attn.out_proj.weight, std=residual_std)
            nn.init.normal_(block.mlp.c_fc.weight, std=(2 * self.width) ** -0.5)
            nn.init.normal_(block.mlp.c_proj.weight, std=residual_std)
            for linear in (block.attn.in_proj, block.attn.out_proj, block.mlp.c_fc, block.mlp.c_proj):
                nn.init.zeros_(linear.bias)


class VisionTransformer(nn.Module):
    """ViT (Dosovitskiy et al. 2021, §3.1) with a further norm before the blocks (CLIP §2.4)."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        width, self.patch = config.vision_width, config.vision_patch
        tokens = (config.image_resolution // config.vision_patch) ** 2 + 1  # the class token comes first
        # A convolution without bias whose stride is its kernel: the linear map of each patch.
        self.conv1 = nn.Conv2d(3, width, config.vision_patch, stride=config.vision_patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty(tokens, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(
            width, config.vision_layers, config.vision_heads, config.vision_mlp, config.activation, causal=False
        )
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.empty(width, config.embed_dim))

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, 3, R, R] normalised pixels → [B, E] features, not normalised."""
        return self.penultimate(pixels) @ self.proj

    def penultimate(self, pixels: Tensor) -> Tensor:
        """[B, 3, R, R] → [B, D]: what a linear probe is fitted on (CLIP §3.2)."""
        x = self.conv1(pixels).flatten(2).transpose(1, 2)  # [B, (R/P)², D]
        cls = self.class_embedding.expand(x.shape[0], 1, -1)  # [B, 1, D]
        x = self.ln_pre(torch.cat([cls, x], dim=1) + self.positional_embedding)
        return self.ln_post(self.transformer(x)[:, 0])  # type: ignore[no-any-return]

    def reset_parameters(self) -> None:
        std = self.conv1.out_channels**-0.5
        for p in (self.class_embedding, self.positional_embedding, self.proj):
            nn.init.normal_(p, std=std)
        nn.init.normal_(self.conv1.weight, std=(3 * self.patch**2) ** -0.5)  # unit variance out of unit variance in
        self.transformer.reset_parameters()


class TextTransformer(nn.Module):
    """GPT-2-style decoder; the feature is read at the end token (CLIP §2.4)."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        width = config.text_width
        self.token_embedding = nn.Embedding(config.vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.empty(config.context_length, width))
        self.transformer = Transformer(
            width, config.text_layers, config.text_heads, config.text_mlp, config.activation, causal=True
        )
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, config.embed_dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, T] token ids, T ≤ context_length → [B, E] features, not normalised."""
        # The end token has the highest id of the vocabulary; argmax takes the first of equals, so padding with it is
        # harmless too. Attention is causal: nothing behind the longest text's end can reach a feature, so it is cut.
        end = tokens.argmax(dim=-1)  # [B]
        tokens = tokens[:, : int(end.max()) + 1] if tokens.shape[0] else tokens
        x = self.token_embedding(tokens) + self.positional_embedding[: tokens.shape[1]]  # [B, T, D]
        x = self.ln_final(self.transformer(x))
        return x[torch.arange(x.shape[0], device=x.device), end] @ self.text_projection  # type: ignore[no-any-return]

    def reset_parameters(self) -> None:
        nn.init.normal_(self.token_embedding.weight, std=0.02)  # GPT-2's
        nn.init.normal_(self.positional_embedding, std=0.01)  # half of it: the place matters less than the word
        nn.init.normal_(self.text_projection, std=self.text_projection.shape[0] ** -0.5)
        self.transformer.reset_parameters()


class CLIP(nn.Module):
    """The two towers and the temperature between them.

    `logit_scale` is a log: cosines are multiplied with its exponential. A new model starts at 1/0.07 (CLIP §2.5).
    """

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.config = config
        self.visual = VisionTransformer(config)
        self.text = TextTransformer(config)
        self.logit_scale = nn.Parameter(torch.empty(()))

    def reset_parameters(self) -> CLIP:
        """Draw fresh weights from torch's global generator; for training from nothing. Returns the model itself."""
        self.visual.reset_parameters()
        self.text.reset_parameters()
        nn.init.constant_(self.logit_scale, math.log(1 / 0.07))
        return self

    @property
    def device(self) -> torch.device:
        return self.logit_scale.device

    @property
    def dtype(self) -> torch.dtype:
        return self.visual.conv1.weight.dtype

    def encode_image(self, pixels: Tensor) -> Tensor:
        """[B, 3, R, R] pixels from `Preprocess` → [B, E] features, not normalised."""
        return self.visual(pixels.to(self.dtype))  # type: ignore[no-any-return]

    def encode_text(self, tokens: Tensor) -> Tensor:
        """[B, T] ids from `tokenize` → [B, E] features, not normalised."""
        return self.text(tokens)  # type: ignore[no-any-return]

    def forward(self, pixels: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 3, R, R] and [M, T] → logits_per_image [N, M] and its transpose logits_per_text [M, N].

        A logit is the cosine of picture and text times exp(logit_scale).
        """
        image = functional.normalize(self.encode_image(pixels), dim=-1)
        text = functional.normalize(self.encode_text(tokens), dim=-1)
        logits = self.logit_scale.exp() * image @ text.T
        return logits, logits.T
