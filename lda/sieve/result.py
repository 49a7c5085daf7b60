"""result - the actions a run has decided on so far: merged, checked against each other, counted.

RFC 5228 sections 2.10.1 to 2.10.4. The same message goes into one mailbox once and to one address once; a
refusal excludes deliveries; the number of actions is limited. What contradicts is an error of the script.

In a sequence of scripts the actions of earlier ones are settled, but a keep is not: it waits, with its flags, until
another one takes its place or something cancels it (tried on Dovecot 2.3).
"""

from __future__ import annotations

from dataclasses import replace

from lda.sieve.limits import Limits
from lda.sieve.plan import Action, FileInto, Keep, Store


class Conflict(Exception):  # the machine turns it into the script's error
    """This action cannot be taken; the sentence says why."""


class Result:
    """The actions of one run. default_mailbox: where keep stores, so that a fileinto there is the same."""

    def __init__(self, limits: Limits, default_mailbox: str) -> None:
        self._limits = limits
        self._default = default_mailbox
        self.settled: list[Action] = []
        self.actions: list[Action] = []
        self.waiting: Keep | None = None

    @property
    def implicit_keep(self) -> bool:
        """Nothing that this script did takes the place of the implicit keep."""
        return not any(action.cancels_keep for action in self.actions)

    @property
    def keeps(self) -> bool:
        """The message would stay in the default mailbox: then the next script of the sequence runs."""
        return self.implicit_keep or any(isinstance(action, Keep) for action in self.actions)

    @property
    def everything(self) -> list[Action]:
        """The actions of the whole sequence so far."""
        return self.settled + self.actions

    @property
    def delivers(self) -> bool:
        """The message reaches somebody, if only by the implicit keep."""
        return self.implicit_keep or any(action.delivers for action in self.everything)

    def settle(self) -> None:
        """The script has ended and another one follows."""
        for action in self.actions:
            if isinstance(action, Keep):
                self.waiting = action
            else:
                self.settled.append(action)
        self.actions = []

    def add(self, action: Action) -> None:
        """Take *action* too. Raises Conflict."""
        for index, earlier in enumerate(self.actions):
            if self._same(earlier, action):
                self.actions[index] = _merged(earlier, action)
                return
            conflict = action.conflict(earlier) or earlier.conflict(action)
            if conflict:
                raise Conflict(conflict)
        if any(self._same(earlier, action) for earlier in self.settled):
            return
        self.actions.append(action)
        self._count(action)

    def _count(self, action: Action) -> None:
        everything = self.everything
        total, allowed = len(everything), self._limits.actions
        if total > allowed:
            raise Conflict(f"total number of actions exceeds policy limit ({total} > {allowed})")
        most = action.most(self._limits)
        count = sum(other.name == action.name for other in everything)
        if most == 0:
            raise Conflict(f"local policy prohibits the use of a {action.name} action")
        if most is not None and count > most:
            raise Conflict(f"number of {action.name} actions exceeds policy limit ({count} > {most})")

    def _same(self, one: Action, other: Action) -> bool:
        if isinstance(one, Store) and isinstance(other, Store):
            return self.mailbox(one) == self.mailbox(other)
        return one.same_as(other)

    def mailbox(self, action: Store) -> str:
        """Where it stores; the inbox has one name in any case (RFC 3501 section 5.1)."""
        mailbox = action.mailbox if isinstance(action, FileInto) else self._default
        return "INBOX" if mailbox.upper() == "INBOX" else mailbox


def _merged(earlier: Action, later: Action) -> Action:
    """One action for both: the earlier one, with the later one's flags (RFC 5232 section 3). A keep stays a keep."""
    if not (isinstance(earlier, Store) and isinstance(later, Store)):
        return earlier
    if isinstance(later, Keep) and not isinstance(earlier, Keep):
        return replace(later, source=earlier.source, cancels_keep=earlier.cancels_keep)
    return replace(earlier, flags=later.flags)
