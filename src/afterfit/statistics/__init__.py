"""What a set of runs says: times (censored where a run ended first), fits, correlations, verdicts."""

from ._change_points import (
    change_points as change_points,
    information_phases as information_phases,
    Span as Span,
)
from ._crossing import crossing_time as crossing_time
from ._judgement import (
    bootstrap as bootstrap,
    combined as combined,
    judge as judge,
    Judgement as Judgement,
    spearman as spearman,
    Verdict as Verdict,
)
from ._kernel_descent import kernel_descent as kernel_descent, kernel_regression as kernel_regression
from ._phase import Phase as Phase
from ._proportions import exact_interval as exact_interval, Trend as Trend, trend as trend
from ._regression import censored_fit as censored_fit, CensoredFit as CensoredFit
from ._separation import separation as separation
from ._survival import median_time as median_time
from ._times import grokking_time as grokking_time
