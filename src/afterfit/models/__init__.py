"""What learns."""

from ._base import (
    AbstractArchitecture as AbstractArchitecture,
    Batched as Batched,
    by_path as by_path,
    call_batch as call_batch,
    from_paths as from_paths,
    Frozen as Frozen,
    named_key as named_key,
    split_trainable as split_trainable,
    trainable as trainable,
)
from ._committee import CommitteeMachine as CommitteeMachine, CommitteeModel as CommitteeModel
from ._coordinate import (
    CoordinateModel as CoordinateModel,
    CoordinateNetwork as CoordinateNetwork,
    Siren as Siren,
    SirenModel as SirenModel,
)
from ._decoder import AdditionDecoder as AdditionDecoder, AdditionDecoderModel as AdditionDecoderModel
from ._graph import GraphConvolution as GraphConvolution, GraphConvolutionModel as GraphConvolutionModel
from ._lstm import LSTM as LSTM, LSTMLayer as LSTMLayer, LSTMModel as LSTMModel
from ._mlp import MLP as MLP, MLPModel as MLPModel
from ._named import named as named, named_activations as named_activations
from ._padded import Padded as Padded, PaddedModel as PaddedModel
from ._radiance import RadianceField as RadianceField, RadianceModel as RadianceModel, render as render
from ._transformer import (
    nanda_transformer as nanda_transformer,
    Transformer as Transformer,
    TransformerModel as TransformerModel,
)
