"""Array jobs and the scripts that start them."""

import shlex
import subprocess

import pytest


def test_a_worker_trains_its_shard_and_what_is_left(afterfit, written, tmp_path):
    recipe, store = written({"axes/seed": [0, 1, 2]}), tmp_path / "s"
    code, out, _ = afterfit("worker", store, recipe, "--shard", "2/3")
    assert (code, out) == (0, "3 of 3 runs stored\n")
    assert afterfit("worker", store, recipe, "--shard", "1/3").out == out
    assert afterfit("status", store).out == "3 runs stored: 3 done\n"


def test_another_address_is_refused(afterfit, written, tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    code, _, err = afterfit("run", written(), "--store", tmp_path / "s", "--on", "ray://here")
    assert (code, "such as dask://localhost:8786, got 'ray://here'" in err) == (2, True)


def test_the_slurm_script_is_one(afterfit, tmp_path):
    words = ("--store", "my runs", "--jobs", 5, "--cpus", 3, "--gpus", 1, "--hours", 1.5, "--set", "steps=7")
    code, out, _ = afterfit("cluster", "slurm", "my recipe.toml", *words)
    assert code == 0
    for line in ("--array=1-5", "--cpus-per-task=3", "--gpus-per-task=1", "--time=01:30:00", "--mem=8G"):
        assert f"#SBATCH {line}\n" in out
    script = out.replace("exec afterfit", "printf '%s\\n'")
    told = subprocess.run(
        ["bash", "-euc", script], env={"SLURM_ARRAY_TASK_ID": "4"}, capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines() == [
        "worker",
        "my runs",
        "my recipe.toml",
        "--shard",
        "4/5",
        "--set",
        "steps=7",
    ]


@pytest.mark.parametrize(("hours", "time"), [("0.005", "00:01"), ("0.0251", "00:02"), ("1.1", "01:06")])
def test_a_job_has_whole_minutes_and_at_least_one(afterfit, hours, time):
    """To SLURM 00:00:00 is no limit, and Kubernetes refuses it."""
    assert f"--time={time}:00\n" in afterfit("cluster", "slurm", "r.toml", "--hours", hours).out
    seconds = 60 * (60 * int(time[:2]) + int(time[3:]))
    options = ("--hours", hours, "--image", "a")
    assert f"activeDeadlineSeconds: {seconds}\n" in afterfit("cluster", "kubernetes", "r.toml", *options).out


def test_the_kubernetes_manifest_is_one(afterfit):
    yaml = pytest.importorskip("yaml")
    code, out, _ = afterfit("cluster", "kubernetes", "r.toml", "--jobs", 3, "--gpus", 2, "--image", "a: #b")
    assert code == 0
    spec = yaml.safe_load(out)["spec"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"]) == (3, 3, "Indexed")
    (container,) = spec["template"]["spec"]["containers"]
    assert container["image"] == "a: #b"
    assert container["resources"]["limits"] == {"cpu": 2, "memory": "8G", "nvidia.com/gpu": 2}
    shell, flag, command = container["command"]
    script = command.replace("exec afterfit", "printf '%s\\n'")
    told = subprocess.run(
        [shell, flag, script], env={"JOB_COMPLETION_INDEX": "0"}, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == shlex.split("worker runs r.toml --shard 1/3")
