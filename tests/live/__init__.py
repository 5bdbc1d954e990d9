"""Calls on a real Asterisk, with the simulated carrier or a scripted SIP peer behind its trunk."""

import pytest

pytest.register_assert_rewrite("tests.live.expected_row")
