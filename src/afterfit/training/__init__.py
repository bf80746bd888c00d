"""How one run steps."""

from ._evaluation import ExampleCounts as ExampleCounts, Split as Split, Totals as Totals
from ._experiment import (
    BASIC_MEASURES as BASIC_MEASURES,
    Experiment as Experiment,
    Fork as Fork,
    probe_name as probe_name,
    Seeds as Seeds,
)
from ._kinds import brief as brief, kinds as kinds, nearest as nearest, RecipeError as RecipeError
from ._modifiers import (
    AbstractConstraint as AbstractConstraint,
    ConstantNorm as ConstantNorm,
    InTurn as InTurn,
    KeepUnits as KeepUnits,
    Noise as Noise,
    Parametrisation as Parametrisation,
)
from ._moment import Examples as Examples, Moment as Moment
from ._optimisers import (
    AbstractOptimiser as AbstractOptimiser,
    Adam as Adam,
    AdamW as AdamW,
    GradientDescent as GradientDescent,
    SGD as SGD,
)
from ._program import (
    CheckingProbe as CheckingProbe,
    Program as Program,
    Recipe as Recipe,
    State as State,
)
from ._recipe import (
    changed as changed,
    fork as fork,
    from_plain as from_plain,
    located as located,
    to_plain as to_plain,
)
from ._schedule import (
    AbstractSchedule as AbstractSchedule,
    At as At,
    Every as Every,
    LogSpaced as LogSpaced,
    Sustained as Sustained,
)
from ._wrappers import Clipped as Clipped, Separate as Separate, StepDecay as StepDecay
