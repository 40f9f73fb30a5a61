"""CLIP (Radford et al. 2021) of our own: model, tokenizer, preprocessing, weights, prompts, zero-shot and training.

The public names are those below; `load` and `tokenize` can be called like those of the published package.
"""

from workers.clip.errors import ClipError, ImageError, ModelError
from workers.clip.load import available_models, load
from workers.clip.loss import contrastive_loss
from workers.clip.model import CLIP, CLIPConfig
from workers.clip.preprocess import Preprocess, open_image
from workers.clip.prompts import DEFAULT_TEMPLATES, encode_labels
from workers.clip.tokenizer import tokenize
from workers.clip.zero_shot import LabelScore, rank

__all__ = [
    "CLIP",
    "DEFAULT_TEMPLATES",
    "CLIPConfig",
    "ClipError",
    "ImageError",
    "LabelScore",
    "ModelError",
    "Preprocess",
    "available_models",
    "contrastive_loss",
    "encode_labels",
    "load",
    "open_image",
    "rank",
    "tokenize",
]
