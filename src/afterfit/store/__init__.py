"""Where records, snapshots and recipes live: a folder of immutable files, keyed by run."""

from ._axis import Axes as Axes
from ._beacon import Beacon as Beacon
from ._error import (
    StoreBusy as StoreBusy,
    StoreError as StoreError,
    StoreWarning as StoreWarning,
)
from ._pack import RunEntry as RunEntry
from ._records import (
    LiveRun as LiveRun,
    RunRecords as RunRecords,
)
from ._session import Session as Session
from ._status import (
    SessionStatus as SessionStatus,
    StoreStatus as StoreStatus,
    under_way as under_way,
)
from ._store import Store as Store
from ._version import RESULTS_VERSION as RESULTS_VERSION
from ._view import (
    open_dataset as open_dataset,
    to_dataset as to_dataset,
    varying as varying,
)
