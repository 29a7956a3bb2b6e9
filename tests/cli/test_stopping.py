"""What a command started is stopped with it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = """
import pathlib, sys, time
from wms.cli import common
common.upgrade = lambda url: None
with common.running_database(common.settings_of(data_dir=pathlib.Path(sys.argv[1]))):
    print("up", flush=True)
    time.sleep(600)
"""


def test_told_to_end_a_command_takes_its_database_down() -> None:
    directory = Path(tempfile.mkdtemp(prefix="wms-test-"))  # pytest's own may lose its rights
    command = [sys.executable, "-c", PROGRAM, str(directory)]
    environment = {key: value for key, value in os.environ.items() if "DATABASE_URL" not in key}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            running = directory / "postgres" / "postmaster.pid"
            assert running.exists()
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 128 + signal.SIGTERM
            assert not running.exists()
        finally:
            process.kill()
    shutil.rmtree(directory, ignore_errors=True)
