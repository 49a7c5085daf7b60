"""The recipes of CONTRIBUTING.md are tried: what stands there is run as it stands there."""

from __future__ import annotations

import asyncio
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lda.sieve import Context, Envelope, Language, compile_script, run_scripts
from lda.sieve.extensions import EXTENSIONS
from tamis.check import Services
from tamis.config.load import Loader, parse
from tamis.dns import ZoneResolver
from tamis.journal import Journal
from tamis.log import Log
from tamis.mail.message import Message
from tamis.pipeline import Pipeline
from tamis.registry import configure_checks
from tamis.store import Store, Window
from tamis.store.memory import MemoryStore
from tamis.transaction import Stage, Transaction
from tamis.verdict import Kind

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)


def module(block: str) -> Any:
    """The block as a module; its name is the first word of its docstring."""
    name = f"recipe_{block[3:].split(maxsplit=1)[0]}"
    made = types.ModuleType(name)
    sys.modules[name] = made
    exec(compile(block, name, "exec"), made.__dict__)
    return made


@pytest.fixture(autouse=True)
def no_traces() -> Iterator[None]:
    yield
    for name in [name for name in sys.modules if name.startswith("recipe_")]:
        del sys.modules[name]


def test_a_new_check() -> None:
    """Configured from a file, it judges in the pipeline, with a mode like every other."""
    check = module(BLOCKS[0]).NullSender
    loader = Loader(parse("t.toml", '[policyd.checks.null_sender]\nallowed = ["lists"]\n'))
    checks = configure_checks(loader, "policyd.checks", {check.name: check})
    loader.finish()
    services = Services(MemoryStore(), ZoneResolver({}), lambda: 0.0, "mx.test")
    pipeline = Pipeline("policyd", checks, services, Log.null(), Journal.null(), 5.0)

    def kind(login: str, sender: str) -> Kind:
        txn = Transaction(sasl_username=login, sender=sender, recipient="b@example.org")
        return asyncio.run(pipeline.run(Stage.RCPT, txn)).verdict.kind

    assert [kind("ann", ""), kind("lists", ""), kind("ann", "a@b"), kind("", "")] == [
        Kind.REJECT,
        Kind.PASS,
        Kind.PASS,
        Kind.PASS,
    ]


def test_a_new_sieve_extension() -> None:
    language = Language((*EXTENSIONS, module(BLOCKS[1]).EXTENSION))
    source = b'require "vnd.example.shout"; if shouting { discard; }'
    script = compile_script(source, "s", language=language)

    def kept(subject: bytes) -> bool:
        message = Message(b"Subject: " + subject + b"\n\nx\n")
        run = run_scripts([script], message, Envelope(sender="a@b", recipient="c@d"), Context())
        with pytest.raises(StopIteration) as stop:
            next(run)
        return bool(stop.value.value.implicit_keep)

    assert (kept(b"BUY NOW"), kept(b"Lunch?")) == (False, True)


def test_a_new_store() -> None:
    store: Store = module(BLOCKS[2]).DictionaryStore()
    windows = [Window(3, 60.0), Window(5, 3600.0)]

    async def story() -> list[bool]:
        assert (await store.charge("a", windows, 1, 0.0, "again")).allowed
        assert (await store.charge("a", windows, 1, 0.0, "again")).repeated
        assert await store.first_seen("k", 1.0, 60.0) == await store.first_seen("k", 2.0, 60.0) == 1.0
        return [(await store.charge("a", windows, 1, 0.0)).allowed for _ in range(4)]

    assert asyncio.run(story()) == [True, True, False, False]
