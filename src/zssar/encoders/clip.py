"""CLIP text towers through open_clip.

Papers: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021; Cherti et
al., "Reproducible scaling laws for contrastive language-image learning", CVPR 2023 (open_clip). MSF and PURLS use
ViT-B-32, STAR and Flora ViT-L-14-336, TDSM ViT-H-14.
Output: the end-of-text token after the text projection, unnormalised (norms of OpenAI's weights are about 10).
open_clip is an optional part; torchvision is not needed for its text side (see ``no_torchvision``).
"""

from __future__ import annotations

import difflib
import logging
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zssar.encoders import no_torchvision, sentences
from zssar.errors import UserError, unknown
from zssar.interfaces import TextEncoder
from zssar.provenance import file_digest


class ClipText(TextEncoder):
    """model: an open_clip name (``ViT-B-32``) or the path of a model description in open_clip's JSON format.

    pretrained: a tag open_clip knows (``openai``, ``laion2b_s34b_b79k``) or the path of a weight file.
    quick_gelu: the activation of OpenAI's weights; None follows the tag. A file does not tell, so for OpenAI's weights
    in a file set it, or take a model whose name ends in ``-quickgelu``; OpenAI's own archives (TorchScript) always have
    it. cache: folder for weights, open_clip's own if None. offline: never ask the hub.
    """

    def __init__(
        self,
        model: str = "ViT-B-32",
        pretrained: str = "openai",
        device: str = "cpu",
        batch_size: int = 64,
        quick_gelu: bool | None = None,
        cache: str | None = None,
        offline: bool = False,
    ):
        self.name, self.pretrained, self.device, self.batch_size = (
            f"{model} {pretrained}",
            pretrained,
            device,
            batch_size,
        )
        library = open_clip()
        architecture = _architecture(library, model)
        weights, tagged = _weights(library, architecture, pretrained, cache, offline)
        if quick_gelu is None:
            quick_gelu = bool(tagged.get("quick_gelu", False))
        self.revision = f"sha256:{file_digest(weights)}"
        self.model = _text_side(library, architecture, weights, quick_gelu).to(device)
        with sentences.offline_hub():
            self.tokenizer = library.get_tokenizer(architecture)
        self.dim = int(self.encode(["a"]).shape[1])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return sentences.encode_sorted(texts, self._batch, self.batch_size, self.name)

    def encode_tokens(self, texts: Sequence[str], length: int) -> np.ndarray:
        """float32 (n, length + 1, width): the first states after the last layer norm, then that of the end of text.

        Nothing is projected. States of padding are what the tower makes of it, as in the papers that use them (TDSM).
        """
        import torch

        context = self.tokenizer(["a"]).shape[1]
        if length > context:
            raise UserError(f"encoder clip: {self.name} reads {context} tokens, {length} were asked for")
        tower = getattr(self.model, "text", self.model)
        if getattr(self.model, "text_pool_type", getattr(tower, "pool_type", None)) != "argmax":
            raise UserError(f"encoder clip: token states of {self.name} are not known: it marks no end of text")
        states: list[Any] = []
        norm = next(module for name, module in self.model.named_modules() if name.split(".")[-1] == "ln_final")
        handle = norm.register_forward_hook(lambda module, inputs, output: states.append(output))

        def batch(some: list[str]) -> np.ndarray:
            states.clear()
            with torch.inference_mode():
                tokens = self.tokenizer(some).to(self.device)
                self.model.encode_text(tokens)
                ends = tokens.argmax(dim=-1)  # the end of text has the highest number
                at_end = states[0][torch.arange(len(some), device=ends.device), ends]
                return torch.cat([states[0][:, :length], at_end[:, None]], dim=1).float().cpu().numpy()

        try:
            return sentences.encode_sorted(texts, batch, self.batch_size, self.name)
        finally:
            handle.remove()

    def _batch(self, texts: list[str]) -> np.ndarray:
        import torch

        with torch.inference_mode():
            tokens = self.tokenizer(texts).to(self.device)
            return self.model.encode_text(tokens).float().cpu().numpy()


def open_clip() -> Any:
    """The library, with or without torchvision. Raises UserError saying how to install it."""
    try:
        with no_torchvision.stand_ins():
            import open_clip as library
    except ModuleNotFoundError as error:
        if error.name not in ("open_clip", "ftfy"):
            raise
        raise UserError(
            f"the encoder `clip` needs {'open_clip' if error.name == 'open_clip' else error.name}, which is not "
            "installed. With torchvision: pip install 'zssar[clip]'. Without (CPU, slim): "
            "pip install --no-deps open_clip_torch ftfy wcwidth."
        ) from None
    return library


def _architecture(library: Any, model: str) -> str:
    if model.endswith(".json"):
        if not Path(model).is_file():
            raise UserError(f"encoder clip: model description {model} does not exist")
        library.add_model_config(Path(model))
        return Path(model).stem
    name = model.replace("/", "-")
    if library.get_model_config(name) is None:
        close = difflib.get_close_matches(name, library.list_models(), n=6, cutoff=0.3)
        raise unknown("open_clip model", model, close, "encoder clip: model")
    return name


def _weights(library: Any, architecture: str, pretrained: str, cache: str | None, offline: bool):
    """(path of the weight file, what open_clip knows about the tag)."""
    if Path(pretrained).is_file():
        return Path(pretrained), {}
    if Path(pretrained).suffix:
        raise UserError(f"encoder clip: pretrained: the file {pretrained} does not exist")
    tagged = library.get_pretrained_cfg(architecture, pretrained)
    if not tagged:
        known = library.list_pretrained_tags_by_model(architecture)
        raise unknown(f"weights of {architecture} (neither a file nor a tag)", pretrained, known, "encoder clip")
    download = library.download_pretrained
    try:
        with sentences.offline_hub():
            return Path(download(tagged, cache_dir=cache)), tagged
    except Exception:  # the client's many ways to say "not in the cache"
        pass
    if not offline and sentences.hub_answers():
        try:
            return Path(download(tagged, cache_dir=cache)), tagged
        except Exception:
            pass
    at = tagged.get("hf_hub") or tagged.get("url")
    raise sentences.missing_weights(f"open_clip weights {pretrained!r} of {architecture} ({at})", "pretrained", cache)


def _text_side_of_archive(library: Any, architecture: str, weights: Path):
    """OpenAI's archive builds the model that its weights fit; refuse it if that is not the one asked for."""
    try:
        model = library.load_openai_model(str(weights), precision="fp32", device="cpu")
    except Exception as error:  # as below
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{weights} is an archive of TorchScript, but not one of OpenAI's CLIP: {reason}") from None
    config = library.get_model_config(architecture)
    text = config["text_cfg"]
    wanted = (text["width"], config["embed_dim"], text["layers"])
    found = (*model.text_projection.shape, len(model.transformer.resblocks))
    if found != wanted:
        raise UserError(
            f"{weights} holds a text tower with (width, output, layers) = {found}, but {architecture} has {wanted}; "
            "set `model:` to the one these weights are of"
        )
    del model.visual
    return model.eval()


def _scripted(weights: Path) -> bool:
    """Is this an archive of TorchScript, the form in which OpenAI published its weights (ViT-B-32.pt)?"""
    if not zipfile.is_zipfile(weights):
        return False
    with zipfile.ZipFile(weights) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _text_side(library: Any, architecture: str, weights: Path, quick_gelu: bool):
    """The model with the image tower thrown away after loading."""
    if _scripted(weights):
        return _text_side_of_archive(library, architecture, weights)
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)  # open_clip reports each step to the root logger
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = library.create_model(
                architecture, pretrained=str(weights), force_quick_gelu=quick_gelu, require_pretrained=True
            )
    except Exception as error:  # a foreign or broken file fails in ways that depend on the loader
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{weights} does not hold weights of the model {architecture}: {reason}") from None
    finally:
        logging.root.setLevel(level)
    del model.visual
    return model.eval()
