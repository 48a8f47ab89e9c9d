"""Runs all tests in one process, and prints a line of JSON about each."""

from __future__ import annotations

import json
import unittest
from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 4
"""The tests mostly wait, so each has a thread with an event loop of its own."""


def tests_of(suite: unittest.TestSuite) -> list[unittest.TestCase]:
    found: list[unittest.TestCase] = []
    for one in suite:
        found += tests_of(one) if isinstance(one, unittest.TestSuite) else [one]
    return found


def run(test: unittest.TestCase) -> None:
    result = unittest.TestResult()
    test.run(result)
    faults = [trace for _, trace in result.failures + result.errors]
    name = test.id().rsplit(".", 1)[-1]
    print(json.dumps({"name": name, "fault": "\n".join(faults)}), flush=True)


if __name__ == "__main__":
    suite = unittest.defaultTestLoader.loadTestsFromNames(["test_client", "test_records", "test_rules"])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(run, tests_of(suite)))
