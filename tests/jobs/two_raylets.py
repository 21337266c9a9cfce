"""A Ray cluster of two raylets, each with one CPU and one logical GPU, and command lines run on it.

Run in a process of its own: `python -m tests.jobs.two_raylets NOTES COMMANDS`. COMMANDS is a JSON list of the command
line's arguments, each run in turn with the cluster's address appended; a line of JSON on stdout tells its exit code and
what it said on stderr. Kernels note in NOTES where they ran.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr
from functools import partial

from ray.cluster_utils import Cluster

from jobs import cli, pipeline
from tests.jobs.kernels import Located
from tests.jobs.run_tool import with_kernel


def main(notes: str, commands: str) -> None:
    node = {"num_cpus": 1, "num_gpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        cluster.add_node(**node)
        cluster.wait_for_nodes()
        forecast = with_kernel("forecast", lambda kernel: Located(kernel, notes))
        located = with_kernel("inventory", lambda kernel: Located(kernel, notes), forecast)
        pipeline.run_stages = partial(pipeline.run_stages, stages=located)
        for command in json.loads(commands):
            with redirect_stderr(io.StringIO()) as said:
                code = cli.main([*command, "--set", f"ray.address={cluster.address}"])
            print(json.dumps({"code": code, "said": said.getvalue()}), flush=True)
    finally:
        import ray

        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
