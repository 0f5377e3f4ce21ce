"""Zero-shot skeleton action recognition: from raw recordings to honest tables."""

__version__ = "0.1.0"
