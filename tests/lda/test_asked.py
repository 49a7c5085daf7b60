"""What LMTP tells about a sender's wishes (RFC 3461, RFC 2852) reaches the script of each recipient."""

from __future__ import annotations

from pathlib import Path

from tests.lda.test_engine import House, play

SCRIPT = """
require ["envelope", "envelope-dsn", "envelope-deliverby", "imap4flags", "fileinto", "mailbox"];
if allof (envelope "notify" "DELAY", envelope "ret" "HDRS", envelope "envid" "E+1", envelope "bymode" "N",
          envelope "orcpt" "rfc822;Alias@a.example", envelope "to" "alias@a.example") { fileinto :create "Known"; }
elsif envelope :matches ["notify", "orcpt"] "*" { fileinto :create "Wrong"; }
"""


def test_each_recipient_has_what_was_asked_for_it(tmp_path: Path) -> None:
    async def story(one: House) -> None:
        for user in ("u1", "u2"):
            home = one.homes.root / user
            home.mkdir(parents=True, exist_ok=True)
            (home / ".dovecot.sieve").write_text(SCRIPT)
        async with one.lmtp() as client:
            replies = await client.say(
                "LHLO x",
                "MAIL FROM:<s@x.example> RET=HDRS ENVID=E+2B1 BY=100;N",
                "RCPT TO:<u1@x> NOTIFY=DELAY ORCPT=rfc822;Alias@a.example",
                "RCPT TO:<u2@x>",
                "DATA",
            )
            assert [reply[:3] for reply in replies] == ["250", "250", "250", "250", "354"]
            client.writer.write(b"Subject: x\r\n\r\nbody\r\n.\r\n")
            assert [(await client.reply())[:3] for _ in range(2)] == ["250", "250"]
        assert (one.homes.root / "u1/Maildir/.Known").is_dir()
        (copy,) = (one.homes.root / "u1/Maildir/.Known/new").iterdir()
        assert b"X-Original-To: Alias@a.example\n" in copy.read_bytes()
        assert len(one.inbox("u2")) == 1
        assert b"X-Original-To" not in one.inbox("u2")[0]

    play(tmp_path, story)
