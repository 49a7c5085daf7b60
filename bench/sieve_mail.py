"""sieve_mail - the script of 60 lines and the messages of 10 KiB that the Sieve benchmark runs on."""

from __future__ import annotations

import random
from pathlib import Path

SIZE = 10 << 10

KEEP = "keep;\n"

SCRIPT = r"""require ["fileinto", "envelope", "imap4flags", "copy", "variables", "relational",
         "comparator-i;ascii-numeric", "subaddress", "body", "regex", "date", "mailbox"];

# rule:[spam]
if anyof (header :contains "x-spam-flag" "YES",
          header :value "ge" :comparator "i;ascii-numeric" "x-spam-score" "9") {
    addflag "\\Seen";
    fileinto :create "Junk";
    stop;
}

# rule:[lists]
if header :matches "list-id" "*<list*.lists.example.net>" {
    set :lower "list" "${2}";
    fileinto :create "Lists.${list}";
    if header :contains "subject" "meeting" {
        addflag "\\Flagged";
    }
}

# rule:[detail]
if envelope :detail "to" ["shop", "bank", "travel"] {
    fileinto :create "Detail";
}

# rule:[friends]
if address :is :all "from" ["alice@example.net", "dave@example.net",
                            "erin@example.net", "frank@example.net"] {
    addflag "friend";
} elsif address :domain :is ["from", "reply-to"] ["example.com", "example.edu"] {
    addflag "colleague";
} elsif not exists ["date", "message-id", "from"] {
    addflag "strange";
}

# rule:[tickets]
if header :regex "subject" "\\[ticket #([0-9]+)\\]" {
    set "ticket" "${1}";
    fileinto :create "Tickets";
}

# rule:[bills]
if allof (header :contains ["subject", "x-topic"] ["invoice", "receipt", "bill", "order"],
          not address :localpart :contains "from" "noreply",
          size :under 500K) {
    fileinto :create :copy "Bills";
}

# rule:[bulk]
if anyof (header :is "precedence" ["bulk", "list", "junk"],
          exists "list-unsubscribe",
          body :text :contains ["unsubscribe from this", "view in browser"]) {
    addflag "bulk";
}

# rule:[night]
if date :value "lt" :comparator "i;ascii-numeric" "date" "hour" "6" {
    addflag "night";
}
keep;
"""

_HEADER = """\
Return-Path: <{who}@example.net>
Delivered-To: user@example.org
Received: from mail{n}.example.net (mail{n}.example.net [192.0.2.{n}])
\tby mx.example.org (Postfix) with ESMTPS id 4dT1x{number:05}
\tfor <user@example.org>; Mon, 23 Nov 2026 10:{minute:02}:00 +0100
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=x;
\th=from:to:subject:date; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;
\tb={signature}
\t{signature}
From: "{name} Example" <{who}@example.net>
To: user@example.org
Cc: list{n}@lists.example.net
Subject: Message number {number} about {topic}
Date: Mon, 23 Nov 2026 10:{minute:02}:00 +0100
Message-ID: <{number}@example.net>
X-Mailer: bench
X-Spam-Score: {score:.1f}
{list_id}MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

"""
_WORDS = ("lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing", "elit", "sed", "eiusmod")


def message(number: int) -> bytes:
    """The message of that number, the same in every run; one in three is from a list, one in ten is spam."""
    chance = random.Random(number)
    who = chance.choice(("alice", "bob", "carol", "noreply"))
    head = _HEADER.format(
        who=who,
        name=who.title(),
        n=number % 5,
        number=number,
        minute=number % 60,
        signature="b" * 70,
        topic=chance.choice(("the meeting", "an invoice", "the weather", "[ticket #17]")),
        score=chance.uniform(0, 10),
        list_id=f"List-Id: List <list{number % 5}.lists.example.net>\n" if number % 3 == 0 else "",
    ).encode()
    lines = [" ".join(chance.choices(_WORDS, k=10)).encode() + b"\n" for _ in range(20)]
    body = b"".join(lines) * 10
    return head + body[: SIZE - len(head) - 1] + b"\n"


def write_maildir(root: Path, count: int) -> None:
    """A Maildir with *count* messages in its INBOX, half of them seen."""
    for name in ("cur", "new", "tmp"):
        (root / name).mkdir(parents=True)
    for number in range(count):
        raw = message(number)
        name = f"{1_700_000_000 + number}.M{number:06}P1.bench,S={len(raw)},W={len(raw) + raw.count(10)}"
        (root / "cur" / f"{name}:2,{'S' if number % 2 else ''}").write_bytes(raw)
