from __future__ import annotations

import gc

from policyd.program import spare_collections


def test_collections_do_not_walk_through_what_the_start_has_made() -> None:
    thresholds = gc.get_threshold()
    made = {"configuration": ["of many objects"]}
    try:
        spare_collections()
        assert not any(one is made for one in gc.get_objects())
        assert gc.isenabled()
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
