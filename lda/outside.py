"""outside - what a script may ask about the world besides mailboxes: annotations and external lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lda.annotations import Annotations
from lda.lists import Lists
from lda.sieve import Answer
from lda.sieve.extensions.extlists import FindInLists, ListMembers, ListsExist


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """For one user. paths: the files of the lists, by name. Raises OSError where something cannot be read."""

    annotations: Annotations
    lists: Lists
    paths: Mapping[str, Path]

    def listed(self, question: FindInLists | ListsExist | ListMembers) -> Answer:
        """What the lists say."""
        match question:
            case FindInLists(lists=names, values=values):
                return self.lists.find(self.paths, names, values)
            case ListsExist(lists=names):
                return all(self.lists.exists(self.paths, name) for name in names)
            case ListMembers(name=name):
                return self.lists.members(self.paths, name)
