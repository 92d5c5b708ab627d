"""The curves, and many tenants in one process."""

import argparse
import os
import sys
import time

from curves import curves
from app import TestApp
from tenants import tenants

AGENTS = [100, 1_000, 10_000, 30_000, 100_000]
TENANTS = 200


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("binary")
    arguments.add_argument("--agents", type=lambda text: [int(number) for number in text.split(",")], default=AGENTS)
    arguments.add_argument("--tenants", type=int, default=TENANTS)
    arguments = arguments.parse_args()
    load = ", ".join(f"{average:.2f}" for average in os.getloadavg())
    print(f"{os.cpu_count()} cores, load average before: {load}")
    with TestApp() as app:
        curves(app, arguments.binary, arguments.agents)
        tenants(app, arguments.binary, arguments.tenants)
        print(f"\n{time.monotonic() - app.started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
