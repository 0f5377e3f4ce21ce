"""One question to a language model behind an OpenAI-compatible server, asked until the answer fits its kind.

Two sorts of trouble are kept apart. The server's (429, 5xx, no connection, no answer in time): the same request is sent
again, after the time the server asks for or with growing pauses. The answer's (no JSON, units missing, too long, a
refusal): the question is put again with what was wrong, a bounded number of times.

The key comes from the environment and goes into the client alone: never into parameters, files, logs or messages.
"""

from __future__ import annotations

import email.utils
import os
import random
import threading
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pydantic

from zssar.errors import UserError
from zssar.text.answers import Answer
from zssar.text.prompts import Kind

OPENAI = "https://api.openai.com/v1"
LONGEST_PAUSE = 60.0  # seconds between tries where the server names no time
_SECRETS = {"api_key", "apikey", "key", "token", "access_token", "authorization", "password", "secret"}


class Price(pydantic.BaseModel):
    """US dollars per million tokens."""

    model_config = pydantic.ConfigDict(extra="forbid")
    input: float = pydantic.Field(ge=0)
    output: float = pydantic.Field(ge=0)


class ModelParams(pydantic.BaseModel):
    """The parameters of a source that asks a language model; closed, so that a typing error is found before it costs.

    extra: further fields of the request, such as {"max_completion_tokens": 400} or a server's own switches.
    structured: how the server is made to answer in JSON. patience: the longest pause a server may ask for, in seconds.
    """

    model_config = pydantic.ConfigDict(extra="forbid", protected_namespaces=())

    model: str = pydantic.Field(min_length=1)
    base_url: str = OPENAI
    key_env: str = "OPENAI_API_KEY"
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    draws: int = pydantic.Field(1, ge=1, le=50)
    concurrency: int = pydantic.Field(4, ge=1, le=64)
    attempts: int = pydantic.Field(3, ge=1, le=10)
    retries: int = pydantic.Field(6, ge=0, le=20)
    timeout: float = pydantic.Field(60.0, gt=0)
    patience: float = pydantic.Field(600.0, ge=0)
    structured: Literal["json_schema", "json_object", "none"] = "json_schema"
    price: Price | None = None
    extra: dict[str, Any] = {}


def model_params(source: str, params: Mapping[str, Any]) -> ModelParams:
    """Checked parameters. Raises UserError naming the key; what looks like a secret is refused without being shown."""
    for where, keys in (("", params), ("extra.", params.get("extra") or {})):
        for key in keys if isinstance(keys, Mapping) else ():
            if str(key).lower().replace("-", "_") in _SECRETS:
                raise UserError(
                    f"sources.{source}.{where}{key}: keys do not belong into a configuration, which is recorded with "
                    "every result. Put it into an environment variable and name that as `key_env:` "
                    "(default OPENAI_API_KEY). Treat the key written here as known to others."
                )
    address = urllib.parse.urlsplit(str(params.get("base_url", OPENAI)))
    if address.username or address.password or address.query:
        raise UserError(f"sources.{source}.base_url: give the bare address, without user, password or query")
    if address.scheme not in ("http", "https") or not address.netloc:
        raise UserError(f"sources.{source}.base_url: wanted an address such as http://localhost:8000/v1")
    try:
        return ModelParams.model_validate(dict(params))
    except pydantic.ValidationError as error:
        first = error.errors(include_input=False)[0]
        key = ".".join(map(str, first["loc"]))
        known = ", ".join(ModelParams.model_fields)
        raise UserError(f"sources.{source}.{key}: {first['msg']}. Known: {known}.") from None


@dataclass(frozen=True)
class Reply:
    """A usable answer: what it says per unit, the model as the server names it, tokens read and written in all."""

    answer: Answer
    model: str
    tokens_in: int
    tokens_out: int


class Unusable(Exception):
    """This question got no usable answer; others may. ``tokens``: what the tries cost all the same."""

    def __init__(self, reason: str, tokens_in: int = 0, tokens_out: int = 0):
        super().__init__(reason)
        self.tokens_in, self.tokens_out = tokens_in, tokens_out


class Stopped(Exception):
    """Another thread met an error that ends the whole run."""


class Chat:
    """Puts the questions of one kind to one model. Safe to use from several threads."""

    def __init__(self, kind: Kind, params: ModelParams):
        import openai

        key = os.environ.get(params.key_env, "").strip()
        if not key and params.base_url == OPENAI:
            raise UserError(
                f"the model {params.model!r} needs a key and the environment variable {params.key_env} is empty. "
                f"Set it (export {params.key_env}=...), or give `base_url:` of a server of your own (vLLM, Ollama, "
                "llama.cpp), or use committed answers (`source: frozen`), which need neither key nor network."
            )
        self.kind, self.params, self._key = kind, params, key
        self.client = openai.OpenAI(
            api_key=key or "none", base_url=params.base_url, timeout=params.timeout, max_retries=0
        )
        self.stop = threading.Event()
        self._not_before = 0.0  # monotonic time before which the server wants no request, shared by all threads

    def ask(self, class_name: str, draw: int) -> Reply:
        """Raises Unusable (this question), UserError (all questions: key, address, quota) or Stopped."""
        messages = first_messages(self.kind, class_name)
        spent, complaint = [0, 0], ""
        for _ in range(self.params.attempts):
            response = self._send(messages, draw)
            usage = getattr(response, "usage", None)
            if usage is not None:
                spent = [spent[0] + (usage.prompt_tokens or 0), spent[1] + (usage.completion_tokens or 0)]
            text, complaint = _text(response)
            if not complaint:
                answer, complaint = parse_answer(self.kind, text)
                if answer is not None:
                    return Reply(answer, response.model or self.params.model, *spent)
                messages = [
                    *messages[:1],
                    {"role": "assistant", "content": text},
                    {"role": "user", "content": f"That answer cannot be used: {complaint}. Answer again, in full."},
                ]
        tries = self.params.attempts
        raise Unusable(f"no usable answer in {tries} {'try' if tries == 1 else 'tries'}; last: {complaint}", *spent)

    def _send(self, messages: list[dict[str, str]], draw: int):
        import openai

        request = request_body(self.kind, self.params, draw)
        for attempt in range(self.params.retries + 1):
            self._wait_for_leave()
            try:
                return self.client.chat.completions.create(messages=messages, **request)
            except openai.APITimeoutError:
                trouble, pause = f"no answer within {self.params.timeout:g} s", None
            except openai.APIConnectionError as error:
                trouble, pause = f"no connection to {self.params.base_url} ({error.__cause__ or error})", None
            except openai.APIStatusError as error:
                self._give_up_if_final(error)
                trouble, pause = (
                    f"status {error.status_code}: {self._clean(error)}",
                    retry_after(error.response.headers),
                )
            except openai.APIError as error:  # a body that is not the protocol's
                trouble, pause = f"an answer that is not the protocol's: {self._clean(error)}", None
            except ValueError as error:  # not JSON at all
                trouble, pause = f"an answer that is not JSON: {self._clean(error)}", None
            if attempt < self.params.retries:
                self._pause(pause, attempt, trouble)
        tries = self.params.retries + 1
        if trouble.startswith("no answer within"):
            raise Unusable(f"{trouble}, {tries} times (`timeout:`, `retries:`)")
        raise UserError(f"the server at {self.params.base_url} failed {tries} times; last: {trouble}")

    def _give_up_if_final(self, error) -> None:
        """Raise UserError for what no repetition mends. A server may quote the key: not shown."""
        status, at = error.status_code, self.params.base_url
        if status in (401, 403):
            state = "is set, but was not accepted" if self._key else "is empty"
            raise UserError(f"{at} refused access (status {status}): the key in {self.params.key_env} {state}")
        if status == 404:
            raise UserError(
                f"{at} does not know this address or the model {self.params.model!r} (status 404: "
                f"{self._clean(error)}). Check `base_url:` (it usually ends in /v1) and `model:`."
            )
        if getattr(error, "code", None) == "insufficient_quota":
            raise UserError(f"{at}: the quota of the key in {self.params.key_env} is used up")
        if status < 500 and status not in (408, 409, 429):
            raise UserError(
                f"{at} refused the request (status {status}): {self._clean(error)}. Where the server does not know "
                "JSON schemas, set `structured: json_object` or `none`."
            )

    def _pause(self, asked: float | None, attempt: int, trouble: str) -> None:
        if asked is not None and asked > self.params.patience:
            raise UserError(
                f"the server at {self.params.base_url} asks to wait {asked:.0f} s, more than `patience:` "
                f"({self.params.patience:.0f} s). Run again later ({trouble})"
            )
        if asked is not None:
            self._not_before = max(self._not_before, time.monotonic() + asked)
        elif self.stop.wait(min(LONGEST_PAUSE, 0.5 * 2**attempt) * random.uniform(0.5, 1.0)):
            raise Stopped

    def _wait_for_leave(self) -> None:
        while True:
            left = self._not_before - time.monotonic()
            if self.stop.wait(max(left, 0.0)):
                raise Stopped
            if self._not_before <= time.monotonic():
                return

    def _clean(self, error: Exception) -> str:
        body = getattr(error, "body", None)
        text = body.get("message") if isinstance(body, dict) else None
        text = " ".join(str(text or error).split())[:300]
        return text.replace(self._key, "[key]") if self._key else text


def first_messages(kind: Kind, class_name: str) -> list[dict[str, str]]:
    """The conversation a question starts with. The form is spelled out, for servers without structured output."""
    return [{"role": "user", "content": f"{kind.question(class_name)}\n\n{kind.instructions()}"}]


def request_body(kind: Kind, params: ModelParams, draw: int) -> dict[str, Any]:
    """Everything of a request but the messages. With a seed, draw d is asked with seed + d."""
    body: dict[str, Any] = {"model": params.model, "extra_body": params.extra}
    for name in ("temperature", "top_p"):
        if getattr(params, name) is not None:
            body[name] = getattr(params, name)
    if params.seed is not None:
        body["seed"] = params.seed + draw
    if params.structured == "json_schema":
        schema = {"name": kind.schema.__name__, "strict": True, "schema": kind.schema.model_json_schema()}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif params.structured == "json_object":
        body["response_format"] = {"type": "json_object"}
    return body


def parse_answer(kind: Kind, text: str) -> tuple[Answer | None, str]:
    """(answer, "") or (None, what is wrong with it). A Markdown fence around the JSON is forgiven."""
    text = text.strip()
    if text.startswith("```"):
        text = text.strip("`").removeprefix("json").strip()
    try:
        answer = kind.schema.model_validate_json(text).model_dump()
    except pydantic.ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        return None, f"{f'{key}: ' if key else ''}{first['msg']}"
    answer = kind.plain(answer)
    complaints = kind.complaints(answer)
    return (None, "; ".join(complaints)) if complaints else (answer, "")


def _text(response) -> tuple[str, str]:
    """(the message's text, "") or ("", why there is none)."""
    if not getattr(response, "choices", None):
        return "", "the response holds no choice"
    choice = response.choices[0]
    if choice.finish_reason == "length":
        return "", "it was cut off at the server's token limit"
    if choice.message.refusal:
        return "", f"the model refused: {' '.join(choice.message.refusal.split())[:200]}"
    if choice.finish_reason == "content_filter":
        return "", "it was withheld by the server's content filter"
    return (choice.message.content, "") if choice.message.content else ("", "it is empty")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from ``retry-after-ms`` or ``Retry-After`` (a number or an HTTP date); None if neither can be read."""
    try:
        return max(0.0, float(headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        pass
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
