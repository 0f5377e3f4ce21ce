"""The CLIP text tower: its weights, its messages, and life without torchvision."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zssar import encoders
from zssar.encoders import no_torchvision
from zssar.errors import UserError

ROOT = Path(__file__).parents[1]
TEXTS = ["drink water", "kick forward with the right leg", "eat meal", "kick", "sit down on a chair, slowly"] * 3
# `make setup` installs open_clip, so that in CI its absence is a failure and nothing to skip.
needs_open_clip = pytest.mark.skipif(
    importlib.util.find_spec("open_clip") is None and not os.environ.get("CI"), reason="open_clip is not installed"
)


@needs_open_clip
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_clip_text_tower_from_disk(suffix, tmp_path):
    """A text tower with random weights, saved and loaded: the same vectors as open_clip's own encode_text."""
    import torch
    from safetensors.torch import save_file

    from zssar.encoders.clip import open_clip

    library = open_clip()
    text = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
    vision = {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8}
    config = tmp_path / "tinyclip.json"
    config.write_text(json.dumps({"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}))
    library.add_model_config(config)
    torch.manual_seed(0)
    original = library.create_model("tinyclip").eval()
    weights = tmp_path / f"weights{suffix}"
    torch.save(original.state_dict(), weights) if suffix == ".pt" else save_file(original.state_dict(), weights)

    encoder = encoders.create("clip", {"model": str(config), "pretrained": str(weights), "batch_size": 4}, "cpu")
    tokens = library.get_tokenizer("tinyclip")(TEXTS)
    with torch.inference_mode():
        expected = original.encode_text(tokens).numpy()
        logits = original.text_projection.numpy()
    assert encoder.dim == 24
    assert np.allclose(encoder.encode(TEXTS), expected, atol=1e-5)
    assert not np.allclose(np.linalg.norm(expected, axis=1), 1.0)
    states = encoder.encode_tokens(TEXTS, 35)
    assert states.shape == (15, 36, 16)
    assert np.allclose(states[:, -1] @ logits, expected, atol=1e-4)  # pooled: the end of text, not yet projected
    with pytest.raises(UserError, match="reads 77 tokens, 100 were asked for"):
        encoder.encode_tokens(TEXTS, 100)
    quick = encoders.create("clip", {"model": str(config), "pretrained": str(weights), "quick_gelu": True}, "cpu")
    assert not np.allclose(quick.encode(TEXTS), expected, atol=1e-5)


@needs_open_clip
@pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated and warns
def test_clip_reads_the_archives_of_openai(tmp_path):
    """TorchScript with half precision: the tower is the same in fp32, and an archive of another model is refused."""
    import torch

    from zssar.encoders.clip import open_clip

    library = open_clip()
    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2}
    vision = {"image_size": 16, "layers": 1, "width": 64, "patch_size": 8}
    for name, width in (("tinyopenai", 24), ("tinyother", 32)):
        settings = {"embed_dim": width, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}
        (tmp_path / f"{name}.json").write_text(json.dumps(settings))
    library.add_model_config(tmp_path / "tinyopenai.json")
    torch.manual_seed(0)
    original = library.create_model("tinyopenai").eval()
    for parameter in original.parameters():
        parameter.data = parameter.data.half().float()  # what an archive of OpenAI can hold
    tokens = library.get_tokenizer("tinyopenai")(TEXTS)
    with torch.inference_mode():
        expected = original.encode_text(tokens).numpy()
    weights = tmp_path / "tiny.pt"
    inputs = {"encode_text": tokens, "encode_image": torch.zeros(1, 3, 16, 16)}
    del original.attn_mask  # open_clip makes it anew; tracing would save it
    original.attn_mask = None
    torch.jit.trace_module(original, inputs, check_trace=False).save(str(weights))

    options = {"pretrained": str(weights), "batch_size": 4}
    encoder = encoders.create("clip", {"model": str(tmp_path / "tinyopenai.json"), **options}, "cpu")
    assert np.allclose(encoder.encode(TEXTS), expected, atol=1e-5)
    with pytest.raises(UserError, match=r"output, layers\) = \(64, 24, 2\), but tinyother has \(64, 32, 2\)"):
        encoders.create("clip", {"model": str(tmp_path / "tinyother.json"), **options}, "cpu")


@needs_open_clip
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"model": "ViT-B-23"}, "unknown open_clip model 'ViT-B-23'. Did you mean 'ViT-B-32'"),
        ({"model": "none.json"}, "none.json does not exist"),
        ({"pretrained": "nope"}, "neither a file nor a tag"),
        ({"pretrained": "nope.pt"}, "nope.pt does not exist"),
        ({"pretrained": "openai", "offline": True}, r"'openai' of ViT-B-32 .*Two ways out.*`pretrained:`"),
    ],
)
def test_clip_says_what_is_missing(params, message, tmp_path, no_network):
    with pytest.raises(UserError, match=message):
        encoders.create("clip", {"cache": str(tmp_path), **params}, "cpu")


@needs_open_clip
def test_clip_refuses_weights_of_another_model(tmp_path):
    (tmp_path / "x.pt").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"x.pt does not hold weights of the model ViT-S-32-alt"):
        encoders.create("clip", {"model": "ViT-S-32-alt", "pretrained": str(tmp_path / "x.pt")}, "cpu")


def test_without_open_clip_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(UserError, match=r"needs open_clip.*zssar\[clip\].*--no-deps"):
        encoders.create("clip", {}, "cpu")


@pytest.mark.skipif(no_torchvision.present(), reason="torchvision is installed")
def test_stand_ins_are_there_for_the_import_and_then_gone():
    with no_torchvision.stand_ins():
        from torchvision.ops.misc import FrozenBatchNorm2d
        from torchvision.transforms import Compose, InterpolationMode

        assert InterpolationMode("bicubic") is InterpolationMode.BICUBIC
        for name in (FrozenBatchNorm2d, Compose):
            with pytest.raises(RuntimeError, match="works on images and needs torchvision"):
                name()
    assert not [name for name in sys.modules if name.split(".")[0] == "torchvision"]
    assert not no_torchvision.present()


@pytest.mark.parametrize("sound", [True, False])
def test_an_installed_torchvision_is_left_alone_or_refused(sound, tmp_path):
    """In a process of its own: a package named torchvision that loads, or that fails as a mismatched one does."""
    package = tmp_path / "torchvision"
    package.mkdir()
    body = "mark = 1" if sound else "raise RuntimeError('operator torchvision::nms does not exist')"
    (package / "__init__.py").write_text(body + "\n")
    code = (
        "from zssar.encoders import no_torchvision\n"
        "with no_torchvision.stand_ins():\n"
        "    import torchvision; print('mark', torchvision.mark)\n"
    )
    path = f"{tmp_path}:{ROOT / 'src'}"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True)
    if sound:
        assert done.stdout == "mark 1\n", done.stderr
    else:
        assert "UserError: the installed torchvision cannot be loaded" in done.stderr
        assert "pip uninstall torchvision" in done.stderr
