"""No two things under one key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lightning_weightviz.memory import extra_key, key_of, statistics_key
from lightning_weightviz.memory.maps import EXTRA_MAPS
from lightning_weightviz.snapshot import TOTAL

NAMES = st.lists(st.sampled_from([*EXTRA_MAPS, TOTAL, ":", "::", "/", "fc", "\n", "classes"]), min_size=1).map("".join)


@given(st.sets(NAMES))
def test_keys_of_parameters_and_of_their_maps_are_all_different(names: set[str]) -> None:
    keys = [key_of("weights", name) for name in names]
    extra = [extra_key(key, name) for key in keys for name in EXTRA_MAPS]
    assert len({*keys, *extra}) == len(names) * (1 + len(EXTRA_MAPS))


@given(st.sets(NAMES))
def test_keys_of_statistics_are_all_different(names: set[str]) -> None:
    keys = {statistics_key("weights", name) for name in names}
    assert len(keys | {key_of("weights", TOTAL)}) == len(names) + 1


@given(st.text(st.characters(exclude_characters=":"), min_size=1).filter(lambda name: name != TOTAL))
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert key_of("updates", name) == statistics_key("updates", name) == f"updates/{name}"
