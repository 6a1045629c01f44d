"""From words and pictures to the outputs that are searched, by the networks of one run of AGCH.

Imports torch: whoever wants the pipeline's very bytes pins the instruction set before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image

from agch import checkpoint
from agch.backbones import Backbone, open_backbone
from agch.encoders import image_encoder, text_encoder
from agch.errors import InputError
from agch.features import forward
from agch.hyperparameters import TrainParams
from agch.index_folder import IndexFolder
from agch.model import Encoder
from agch.runtime import RuntimeParams, pin_runtime
from agch.schema import parse
from agch.text_encoders import TextEncoder, open_text_encoder
from stages.encode import MODEL, weights_of
from stages.extract import ExtractParams

ROWS = 64
"""Copies of a row that are encoded at once: small products round otherwise than large blocks."""
Output = NDArray[np.float32]


class Encoders:
    """The networks, each loaded when it is first needed; one query at a time.

    A picture goes through the backbone by itself. The committed one gives the bytes that it gives
    in batches; another may differ in the last digit, and then, rarely, a code in a bit.

    Args:
        folder: That of the run. project: from where paths in the parameters count.
        params: The run's params.yaml. runtime: its section `runtime`.
        index: Tells which weights the indexed features are of.

    Raises:
        InputError: The model or the parameters cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        project: Path,
        params: Mapping[str, Any],
        runtime: RuntimeParams,
        index: IndexFolder,
    ) -> None:
        self._project, self._runtime, self._index = project, runtime, index
        self._settings = parse(ExtractParams, params.get("extract"), "extract")
        self._model = checkpoint.load(folder / MODEL, "train")
        self._trained = parse(TrainParams, self._model["params"], str(MODEL))
        self._lock = Lock()

    def words(self, words: Sequence[str]) -> Output:
        """The (c,) output before the sign of known words."""
        with self._lock:
            self._device = pin_runtime(self._runtime)  # some of it counts for this thread alone
            row = self._text.encode([{"tags": words, "caption": ""}])
            return self._output(self._text_encoder, row)

    def picture(self, picture: Image) -> Output:
        """The (c,) output before the sign of a picture.

        Raises:
            InputError: It is too thin, or the backbone is not that of the index.
        """
        with self._lock:
            self._device = pin_runtime(self._runtime)
            try:
                pixels = self._backbone.preprocess(picture)
            except ValueError as error:
                raise InputError(str(error)) from None
            row = forward(self._backbone.network, pixels[None].to(self._device))
            if self._trained.image_encoder == "mlp":
                row = row[:, : self._backbone.dim]
            else:
                row = row[:, self._backbone.dim :].astype(np.float16)  # as features.h5 keeps it
            return self._output(self._image_encoder, row)

    def _output(self, encoder: Encoder, row: NDArray[Any]) -> Output:
        rows = torch.from_numpy(row).to(self._device, torch.float32).repeat(ROWS, 1)
        with torch.no_grad():
            output: Output = encoder(rows)[1][0].cpu().numpy()
        return output

    @cached_property
    def _backbone(self) -> Backbone:
        settings, about = self._settings, self._index.manifest
        if about.backbone == "given":
            raise InputError(
                "pictures cannot ask: the data source gave features in their place, and nothing "
                "makes such of a picture; search by words or by an item"
            )
        _same("extract.backbone", settings.network, about.backbone)
        weights = self._project / settings.weights if settings.weights else None
        opened = open_backbone(settings.backbone, settings.layer, weights, settings.pool5)
        _same("the backbone's weights", opened.weights_sha256, about.weights_sha256)
        opened.network.to(self._device).to(memory_format=torch.channels_last)
        return opened

    @cached_property
    def _text(self) -> TextEncoder:
        settings, about = self._settings, self._index.manifest
        _same("extract.text_encoder", settings.text_encoder, about.text_encoder)
        folder = self._project / settings.text_model if settings.text_model else None
        words = self._index.vocabulary
        opened = open_text_encoder(settings.text_encoder, folder, words, self._device)
        _same("the text model's weights", opened.weights_sha256, about.text_weights_sha256)
        return opened

    @cached_property
    def _image_encoder(self) -> Encoder:
        mlp = self._trained.image_encoder == "mlp"
        inputs = self._backbone.dim if mlp else self._backbone.pool5
        return self._loaded("image", image_encoder(inputs, self._trained), inputs)

    @cached_property
    def _text_encoder(self) -> Encoder:
        inputs = self._text.dim
        return self._loaded("text", text_encoder(inputs, self._trained), inputs)

    def _loaded(self, modality: str, encoder: Encoder, inputs: int) -> Encoder:
        encoder.load_state_dict(weights_of(self._model, modality, inputs))
        return encoder.eval().to(self._device)


def _same(what: str, found: str, wanted: str) -> None:
    """Check that the parameters ask for what the index was made with.

    Raises:
        InputError: They do not.
    """
    if found != wanted:
        raise InputError(
            f"{what}: the parameters ask for {found or 'none'}, but the index is of "
            f"{wanted or 'none'}; make it again with `dvc repro index`"
        )
