"""How many runs step."""

from ._attend import attend as attend, Attendance as Attendance
from ._engine import Layout as Layout
from ._executor import connect as connect
from ._file import read_recipe as read_recipe, write_recipe as write_recipe
from ._machine import cache_folder as cache_folder, prepare as prepare
from ._progress import Display as Display, Progress as Progress, silent as silent, Terminal as Terminal
from ._run import read_run as read_run, Run as Run
from ._runner import about as about
from ._sweep import Sweep as Sweep, sweep as sweep
from ._watcher import Watcher as Watcher
