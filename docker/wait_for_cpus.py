"""Wait until a Ray cluster has so many CPUs, then print how many it has.

A search takes the workers that are there when it starts; nodes come up one after the other.
"""

from __future__ import annotations

import argparse
import os
import sys
import time


def wait_for_cpus(address: str, cpus: int, seconds: float) -> int:
    """Return the cluster's CPUs, once there are `cpus` or `seconds` have passed."""
    import ray

    deadline = time.monotonic() + seconds
    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    try:
        while True:
            found = int(ray.cluster_resources().get("CPU", 0))
            if found >= cpus or time.monotonic() > deadline:
                return found
            time.sleep(1)
    finally:
        ray.shutdown()


def main() -> int:
    """Read the command line, wait, print; 1 when no worker has come."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True, help="host:port of the head node")
    parser.add_argument("--cpus", type=int, required=True, help="how many to wait for")
    parser.add_argument("--seconds", type=float, default=300, help="how long, at most")
    args = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        found = wait_for_cpus(args.address, args.cpus, args.seconds)
    except (ConnectionError, RuntimeError, ValueError) as error:
        sys.stderr.write(f"error: no Ray cluster at {args.address}: {str(error)[:160]}\n")
        return 1
    if not found:
        sys.stderr.write(f"error: no worker joined {args.address} in {args.seconds:g} s\n")
        return 1
    if found < args.cpus:
        sys.stderr.write(f"{found} of {args.cpus} CPUs came; going on with them\n")
    sys.stdout.write(f"{found}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
