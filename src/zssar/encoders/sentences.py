"""What the sentence-transformers encoders share: a quick offline import, loading, batching, a hash of the weights."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zssar.encoders import no_torchvision
from zssar.errors import UserError
from zssar.training import Progress


@contextlib.contextmanager
def offline_hub() -> Iterator[None]:
    """No call to the model hub inside the block: as if HF_HUB_OFFLINE were set, also when the hub's client has already
    read its environment."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def hub_answers(patience: float = 5.0) -> bool:
    """May and can the model hub be asked? Found out by one connection: the hub's client would retry for 45 seconds.

    False where HF_HUB_OFFLINE is set; behind a proxy the client is left to find out.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if urllib.request.getproxies():
        return True
    address = urllib.parse.urlsplit(constants.ENDPOINT)
    try:
        with socket.create_connection((address.hostname, address.port or 443), timeout=patience):
            return True
    except OSError:
        return False


def sentence_transformers() -> Any:
    """The library. Importing it creates hundreds of thousands of objects: without garbage collection it takes a fifth
    less time, and that time is spent once in every encoding job."""
    no_torchvision.refuse_broken()
    collecting = gc.isenabled()
    gc.disable()
    try:
        import sentence_transformers as library
    finally:
        if collecting:
            gc.enable()
    return library


def load(model: str, device: str, precision: str = "fp32", offline: bool = False) -> Any:
    """A SentenceTransformer by folder or hub name, in evaluation mode.

    A hub name is looked for in the local cache first; only if it is not there, and ``offline`` and the environment
    allow it, is it downloaded. Raises UserError, with the two ways out, if the weights cannot be had.
    """
    import torch

    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16}
    if precision not in dtypes:
        raise UserError(f"precision {precision!r} of a text encoder: choose fp32 or bf16")
    with offline_hub():
        library = sentence_transformers()
        from transformers.utils import logging

        logging.disable_progress_bar()
        options = {"device": device, "model_kwargs": {"dtype": dtypes[precision]}}
        try:
            return library.SentenceTransformer(model, local_files_only=True, **options)
        except (OSError, ValueError) as error:
            if Path(model).exists():
                raise UserError(f"{model} holds no sentence-transformers model that can be read: {error}") from None
    if not offline and hub_answers():
        try:
            return library.SentenceTransformer(model, **options)
        except (OSError, ValueError):
            pass
    raise missing_weights(f"sentence-transformers model {model!r}", "model")


def missing_weights(what: str, key: str, cache: str | None = None) -> UserError:
    """The one message for weights that are neither on this machine nor to be had from the hub."""
    from huggingface_hub import constants

    return UserError(
        f"{what}: no such folder, nothing in the cache {cache or constants.HF_HUB_CACHE}, and the model hub was "
        "not reached or does not know it. Two ways out: fetch it on a machine with network access and copy that cache "
        f"here (HF_HOME moves it), or put the files anywhere and give their path as `{key}:` of the encoder."
    )


def token_counts(model: Any, texts: Sequence[str]) -> list[int]:
    """Tokens of each text; letters where the model has no tokenizer of transformers. Sorting by tokens instead of
    letters leaves 5 instead of 17 % of padding in batches of 32 (benchmarks/README.md)."""
    tokenizer = getattr(model, "tokenizer", None)
    if texts and callable(tokenizer):
        return [len(row) for row in tokenizer(list(texts), truncation=True)["input_ids"]]
    return [len(text) for text in texts]


def encode_sorted(
    texts: Sequence[str],
    encode: Callable[[list[str]], np.ndarray],
    batch_size: int,
    what: str,
    lengths: Sequence[int] | None = None,
) -> np.ndarray:
    """``encode`` over batches of texts of similar length (little padding), the result in the order given.

    lengths: what a text costs, for sorting; its letters if not given.
    """
    if not texts:
        raise ValueError("no texts to encode")
    cost = lengths or [len(text) for text in texts]
    order = sorted(range(len(texts)), key=cost.__getitem__)
    progress = Progress(what, len(texts), "texts") if len(texts) > 4 * batch_size else None  # short work is silent
    parts = []
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        parts.append(encode([texts[i] for i in rows]))
        if progress:
            progress.step(len(rows))
    result = np.empty((len(texts), *parts[0].shape[1:]), np.float32)
    result[order] = np.concatenate(parts)
    return result


def token_states(model: Any, texts: Sequence[str], length: int, batch_size: int, what: str) -> np.ndarray:
    """float32 (n, length + 1, width): the last states of each text's tokens, cut at ``length`` or padded with zeros,
    then its sentence vector."""

    def batch(some: list[str]) -> np.ndarray:
        options = {"batch_size": batch_size, "show_progress_bar": False}
        states = model.encode(some, output_value="token_embeddings", **options)
        pooled = model.encode(some, **options)
        result = np.zeros((len(some), length + 1, pooled.shape[1]), np.float32)
        for row, state in zip(result, states, strict=True):
            row[: min(length, len(state))] = state[:length].float().cpu().numpy()
        result[:, -1] = pooled
        return result

    return encode_sorted(texts, batch, batch_size, what, token_counts(model, texts))


def weights_digest(module: Any) -> str:
    """SHA-256 over names and bytes of all parameters and buffers: identifies weights wherever they were stored."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
