"""How quick `postwerk serve` is: to be ready, from a request to the mail at the server, and small runs a second.

Run: python -m tests.bench.bench_serving [RUNS]
"""

from __future__ import annotations

import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2

from ..runtime.test_serving import furnish
from ..runtime.trial import distribution, python_path
from ..served import Served, until
from ..smtp_peers import counting_sink, taken

STARTS, SINGLE, AT_ONCE = 5, 50, 20


def main(runs: int = 500) -> None:
    with TemporaryDirectory() as place:
        folder, log = Path(place), Path(place) / "taken.log"
        with counting_sink(log) as port:
            trial = distribution(folder / "trial")
            firm = furnish(folder, port, 1, PYTHONPATH=python_path(trial))
            token = firm.token()
            with firm.starting("serve", "--port", "0") as start:
                seconds = [time_to_ready(start) for _ in range(STARTS)]
                print(f"\nready after {statistics.median(seconds):.2f} s (median of {STARTS} starts)")
                served = start()
                with httpx2.Client(
                    base_url=f"{served.url}/api/v1", headers={"Authorization": f"Bearer {token}"}, trust_env=False
                ) as client:
                    one_by_one(client, log)
                    many_at_once(client, log, runs)
                served.stop()


def time_to_ready(start: object) -> float:
    begin = time.perf_counter()
    served: Served = start()  # type: ignore[operator]
    seconds = time.perf_counter() - begin
    served.stop()
    return seconds


def one_by_one(client: httpx2.Client, log: Path) -> None:
    answered, arrived = [], []
    for _ in range(SINGLE):
        before, begin = len(taken(log)), time.perf_counter()
        client.post("/runs", json={"flow": "mailing"}).raise_for_status()
        answered.append(time.perf_counter() - begin)
        while len(taken(log)) == before:
            time.sleep(0.001)
        arrived.append(time.perf_counter() - begin)
    print(f"a run of one row: answered after {1000 * statistics.median(answered):.0f} ms, "
          f"its mail at the server after {1000 * statistics.median(arrived):.0f} ms (medians of {SINGLE})")  # fmt: skip


def many_at_once(client: httpx2.Client, log: Path, runs: int) -> None:
    before, begin = len(taken(log)), time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(lambda _: client.post("/runs", json={"flow": "mailing"}).raise_for_status(), range(runs)))
    answered = time.perf_counter() - begin
    until(lambda: len(taken(log)) - before == runs, 600)
    print(f"{runs} such runs, {AT_ONCE} clients: {runs / answered:.0f} a second answered, "
          f"{runs / (time.perf_counter() - begin):.0f} a second with their mails at the server")  # fmt: skip


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
