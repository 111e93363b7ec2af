"""``python -m tests.simulator``: the API on a port until it is interrupted."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from tests.simulator.service import Simulator


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another company")
    parser.add_argument("--deals", type=int, default=300, help="how many deals the company has")
    parser.add_argument("--latency-ms", type=int, default=0, help="added to every answer")
    parser.add_argument("--burst", type=int, default=100_000, help="requests in two seconds")
    parser.add_argument("--budget", type=int, default=1_000_000, help="tokens a day")
    parser.add_argument("--token", default="demo-token", help="the API token that is accepted")
    parser.add_argument("--extra-fields", type=int, default=0, help="more custom fields for every entity")
    parser.add_argument("--v1-core", action="store_true", help="serve the removed v1 core")
    parser.add_argument("--subscriptions", action="store_true", help="serve the removed subscriptions")
    parser.add_argument("--no-contact-sync", dest="contact_sync", action="store_false")
    given = vars(parser.parse_args())
    switches = {name: given.pop(name) for name in ("v1_core", "subscriptions", "contact_sync")}
    simulator = Simulator(**given)
    simulator.configure(switches)
    simulator.start()
    sys.stdout.write(f"simulator listening on {simulator.url}\n")
    sys.stdout.flush()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    simulator.stop()


if __name__ == "__main__":
    main()
