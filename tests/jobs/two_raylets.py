"""A Ray cluster of two raylets, each with one CPU and one logical GPU, and the command line run on it.

Run in a process of its own: `python -m tests.jobs.two_raylets NOTES COMMAND...` appends the cluster's address to the
command, runs it and exits with its code. Kernels note in NOTES where they ran.
"""

from __future__ import annotations

import sys
from functools import partial

from ray.cluster_utils import Cluster

from jobs import cli, pipeline
from tests.jobs.kernels import Located
from tests.jobs.run_tool import with_kernel


def main(notes: str, command: list[str]) -> int:
    node = {"num_cpus": 1, "num_gpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        cluster.add_node(**node)
        cluster.wait_for_nodes()
        forecast = with_kernel("forecast", lambda kernel: Located(kernel, notes))
        located = with_kernel("inventory", lambda kernel: Located(kernel, notes), forecast)
        pipeline.run_stages = partial(pipeline.run_stages, stages=located)
        return cli.main([*command, "--set", f"ray.address={cluster.address}"])
    finally:
        import ray

        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
