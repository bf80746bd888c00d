"""Job scripts for clusters, with the user's numbers filled in."""

import argparse
import json
import math
import shlex


def job(options: argparse.Namespace) -> str:
    """A script or manifest that trains a sweep by so many jobs at once."""
    return {"slurm": _slurm, "kubernetes": _kubernetes}[options.system](options)


def _words(options: argparse.Namespace, shard: str) -> str:
    """The command of one job, for a shell; `shard` is a word of the shell's."""
    store, recipe = shlex.quote(str(options.store)), shlex.quote(str(options.recipe))
    changes = "".join(f" --set {shlex.quote(change)}" for change in options.set)
    return f"afterfit worker {store} {recipe} --shard {shard}{changes}"


def _minutes(options: argparse.Namespace) -> int:
    """The time of a job; to SLURM none at all would be no limit."""
    return max(1, math.ceil(round(options.hours * 60, 6)))


def _slurm(options: argparse.Namespace) -> str:
    hours, minutes = divmod(_minutes(options), 60)
    gpus = f"#SBATCH --gpus-per-task={options.gpus}\n" if options.gpus else ""
    return f"""#!/bin/bash
# Submit with: sbatch FILE. Start it again to go on with what was interrupted.
#SBATCH --job-name=afterfit
#SBATCH --array=1-{options.jobs}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={options.cpus}
#SBATCH --mem={options.memory}G
{gpus}#SBATCH --time={hours:02d}:{minutes:02d}:00
#SBATCH --signal=B:TERM@60
#SBATCH --requeue
#SBATCH --output=afterfit-%A-%a.log

# The signal comes a minute before the end: the job leaves a resume point.
exec {_words(options, f'"$SLURM_ARRAY_TASK_ID/{options.jobs}"')}
"""


def _kubernetes(options: argparse.Namespace) -> str:
    command = _words(options, f'"$((JOB_COMPLETION_INDEX + 1))/{options.jobs}"')
    gpus = f"\n              nvidia.com/gpu: {options.gpus}" if options.gpus else ""
    return f"""# Submit with: kubectl apply -f FILE. Jobs that are lost are started again, and go on.
apiVersion: batch/v1
kind: Job
metadata:
  name: afterfit
spec:
  completionMode: Indexed
  completions: {options.jobs}
  parallelism: {options.jobs}
  backoffLimit: {10 * options.jobs}
  activeDeadlineSeconds: {60 * _minutes(options)}
  template:
    spec:
      restartPolicy: OnFailure
      terminationGracePeriodSeconds: 60
      containers:
        - name: worker
          image: {json.dumps(options.image)}
          command: ["/bin/sh", "-c", {json.dumps(f"exec {command}")}]
          workingDir: {json.dumps(options.mount)}
          resources:
            limits:
              cpu: {options.cpus}
              memory: {options.memory}G{gpus}
          volumeMounts:
            - name: work
              mountPath: {json.dumps(options.mount)}
      volumes:
        - name: work
          persistentVolumeClaim:
            claimName: {json.dumps(options.volume)}
"""
