"""The demo model: a CLIP of 5 million parameters, trained here on emoji, and the pictures to try it on.

Small enough to be committed, honest enough to be measured: its scores on concepts that it never saw are in its card.
"""

from pathlib import Path
from typing import Final

MODEL: Final = Path(__file__).parent / "model"  # a repository in Hugging Face layout
PICTURES: Final = Path(__file__).parent / "pictures"  # held-out pictures and labels.json
