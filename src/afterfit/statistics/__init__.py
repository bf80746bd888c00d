"""What a set of runs says: times to memorise and to generalise, censored where a run ended first."""

from ._phase import Phase as Phase
from ._survival import median_time as median_time
from ._times import grokking_time as grokking_time
