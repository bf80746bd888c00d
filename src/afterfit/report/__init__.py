"""What a person looks at: a page that explains a set of runs, and the picture of its learning curves."""

from ._export import export as export
from ._making import making as making
from ._page import write_page as write_page
from ._picture import curves_figure as curves_figure, learning_curves as learning_curves
from ._server import live_page as live_page
from ._status import describe_status as describe_status
from ._study import write_study_page as write_study_page
from ._summary import summary as summary
from ._trackers import TensorBoard as TensorBoard, WeightsAndBiases as WeightsAndBiases
