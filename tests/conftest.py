"""Fixtures of several test files."""

import socket

import pytest
from chat_server import KEY, PROMPTS

from zssar.text.prompts import read_kind


@pytest.fixture
def no_network(monkeypatch):
    """Any attempt to open a connection fails the test."""

    def refuse(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def kind():
    """The description kind that the tests of the language-model source ask for."""
    return read_kind(PROMPTS / "phases.md")


@pytest.fixture
def chat_key(monkeypatch):
    """The key that the local chat server expects, and no proxy on the way to it."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
