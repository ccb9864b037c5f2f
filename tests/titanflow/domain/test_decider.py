"""Derived ids never collide; the randomness of deciders is a published hash of its key."""

import math
import subprocess
import sys
from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from titanflow.domain.decider import derived_id, random_bits

DECIDERS = st.sampled_from(["signal", "risk", "execution", "leaderboard"])
PLACES = st.tuples(DECIDERS, st.integers(1, 1 << 40), st.integers(0, 1000))


@given(PLACES, PLACES)
def test_two_things_have_one_id_only_if_they_are_one(a: tuple[str, int, int], b: tuple[str, int, int]) -> None:
    assert (derived_id("s", *a) == derived_id("s", *b)) == (a == b)


def test_random_bits_are_blake2b_of_seed_key_and_counter() -> None:
    assert random_bits(7, "order", 2) == int(blake2b(b"7|order|2", digest_size=8).hexdigest(), 16)


def test_random_bits_are_uniform_and_differ_by_seed_key_and_counter() -> None:
    draws = [random_bits(seed, f"key{key}", n) for seed in range(10) for key in range(20) for n in range(20)]
    assert len(set(draws)) == len(draws) == 4000
    mean = sum(draws) / len(draws) / 2**64
    assert abs(mean - 0.5) < 4 / math.sqrt(12 * 4000)
    set_bits = [sum(draw >> bit & 1 for draw in draws) for bit in range(64)]
    assert all(abs(count - 2000) < 5 * math.sqrt(1000) for count in set_bits)


def test_random_bits_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    code = "from titanflow.domain.decider import random_bits; print(random_bits(1, 'k', 3))"
    for hash_seed in ("0", "1"):
        shown = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert int(shown.stdout) == random_bits(1, "k", 3)
