"""Synergy and redundancy of a layer during training.

Axes of this module
    sample   examples
    neuron   units of a layer
    group    groups of neurons ("bins" in Clauw et al. 2024)
    union    sets of groups
"""

import dataclasses
import typing

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..training import ExampleCounts, Moment, Split
from ._copula import Copula, gaussian_copula, Ties
from ._grouping import AbstractGrouping, Ward
from ._information import bias_of_totals, check_counts, check_names, entropy_bias, log_moments, Unit, UNITS
from ._unions import (
    all_unions,
    annealed,
    bias_of_blocks,
    bias_of_variables,
    eliminated,
    MOST_GROUPS,
    of_blocks,
    of_variables,
    union_members,
    union_moments,
    Value,
)


Reading = typing.Literal["neurons", "blocks", "means"]
"""What the variables of a union of groups are: its neurons; each group, with many dimensions; the mean
activation of each group."""

Search = typing.Literal["all", "greedy", "annealing"]

ANNEALING_STEPS = 500


@dataclasses.dataclass(frozen=True)
class OInformation:
    """Synergy and redundancy of the neurons of a layer: the extremes of O-information over unions of groups.

    Neurons are sorted into groups; every union of two groups or more (three, for "means" and "blocks", as two
    variables have no O-information) is a candidate. Clauw et al. 2024, section 4; their code has reading
    "neurons".

    **Fields:**

    - `layer`: a path of `Moment.activations`, e.g. "layers[0]".
    - `groups`: how neurons are sorted into groups, by default ten by Ward's clustering.
    - `follow`: keep the groups that the untrained layer had, instead of new ones at each record.
    - `reading`: what the variables of a union are.

    **Other fields:**

    - `ties`: see `gaussian_copula`.
    - `bias_corrected`: subtract what few samples feign.
    - `unit`: "bits" or "nats".
    - `points`: so many examples of the split at most, by default all.
    - `split`: whose inputs are seen.
    - `search`: "all" unions, for up to 12 groups; "greedy" takes groups away one by one; "annealing" tries
      500 unions. Both may miss the extremes.
    - `name`: of the measure.

    **Returns:**

    - `synergy`, `redundancy`: minus the least and the greatest O-information of a union.
    - `synergy_size`, `redundancy_size`, `synergy_neurons`, `redundancy_neurons`: how many neurons that union
      has, and which.
    - `whole`, `total_correlation`, `dual_total_correlation`: of all neurons; no search.
    - `labels`: the group of each neuron.
    - `dead`: how many neurons are constant. They count for nothing.

    **Degenerate inputs:** NaN where activations are NaN. Zeros for a layer of dead neurons. Means of few
    groups can be compared on fewer examples than there are neurons: then the three totals are NaN.

    **Raises:** `ValueError` for a path that the model does not have (the paths are listed), for fewer neurons
    than groups, too many groups for "all", and unknown names. Before a run is trained, where its split has no
    more examples than the layer neurons (for "means": than groups). A moment of stored weights is not
    refused: there such a layer measures NaN.
    """

    layer: str
    groups: AbstractGrouping = Ward()
    follow: bool = False
    reading: Reading = "neurons"
    ties: Ties = "average"
    bias_corrected: bool = False
    unit: Unit = "bits"
    points: int | None = None
    split: Split = "train"
    search: Search = "all"
    name: str = "o_information"

    def __post_init__(self):
        check_names(self.ties, self.unit)
        for field, allowed in (("reading", Reading), ("search", Search), ("split", Split)):
            if getattr(self, field) not in typing.get_args(allowed):
                names = ", ".join(typing.get_args(allowed))
                raise ValueError(f"`{field}` must be one of {names}, got {getattr(self, field)!r}.")
        if not isinstance(self.groups, AbstractGrouping):
            raise ValueError(f"`groups` must be a grouping such as Ward(10), got {self.groups!r}.")
        if self.points is not None and self.points < 2:
            raise ValueError(f"`points` must be at least 2 examples, got {self.points}.")

    def __call__(self, moment: Moment) -> dict[str, Array]:
        values, valid = self._activations(moment)
        copula = gaussian_copula(values, valid, ties=self.ties)
        labels = self._labels(moment, values, valid, copula)
        log_det, log_diagonal = log_moments(copula.correlation)
        # Of as many neurons as samples the correlations are singular, whatever rounding makes of them.
        log_det = jnp.where(jnp.sum(valid) > len(labels), log_det, jnp.nan)
        total, dual = -0.5 * log_det, 0.5 * (log_det + log_diagonal)
        bias = None
        if self.bias_corrected:
            bias = entropy_bias(jnp.sum(valid), len(labels), values.dtype)
            biases = bias_of_totals(bias, jnp.sum(copula.alive))
            total, dual = total - biases[0], dual - biases[1]
        scale = UNITS[self.unit]
        found = {
            "total_correlation": scale * total,
            "dual_total_correlation": scale * dual,
            "whole": scale * (total - dual),
            "labels": labels,
            "dead": jnp.sum(~copula.alive),
        }
        extremes = self._by_search if self.search != "all" else self._of_all
        least, most = extremes(moment, *self._variables(values, valid, copula, labels), bias)
        for name, sign, (union, value) in (("synergy", -1, least), ("redundancy", 1, most)):
            neurons = union[labels] & copula.alive
            found |= {name: sign * scale * value, f"{name}_size": jnp.sum(neurons)}
            found[f"{name}_neurons"] = neurons
        return found

    def check(self, moment: Moment, counts: ExampleCounts) -> None:
        """**Raises:** `ValueError` if runs with so many examples have too few of them for the layer."""
        examples = counts[self.split] if self.points is None else min(counts[self.split], self.points)
        neurons = self._activations(moment)[0].shape[1]
        samples = "training examples" if self.split == "train" else "test examples"
        variables = "groups of neurons" if self.reading == "means" else "neurons"
        check_counts(examples, self._variable_count(neurons), (samples, variables))

    # --- its pieces -----------------------------------------------------------------------------

    def _variable_count(self, neurons: int) -> int:
        return self.groups.groups if self.reading == "means" else neurons

    def _activations(self, moment: Moment) -> tuple[Float[Array, "sample neuron"], Bool[Array, " sample"]]:
        examples = moment.examples(self.split)
        inputs, valid = jax.tree.map(lambda leaf: leaf[: self.points], (examples.inputs, examples.valid))
        values = moment.activations(self.layer, inputs)
        values = values.reshape(values.shape[0], -1)
        values = jnp.where(jnp.sum(valid) > self._variable_count(values.shape[1]), values, jnp.nan)
        if values.shape[1] < self.groups.groups:
            raise ValueError(
                f"{self.layer!r} has {values.shape[1]} neurons, fewer than {self.groups.groups} groups: ask "
                "for fewer groups."
            )
        if self.search == "all" and self.groups.groups > MOST_GROUPS:
            raise ValueError(
                f"{self.groups.groups} groups have too many unions to look at all: at most {MOST_GROUPS}, "
                "or search='greedy' or 'annealing'."
            )
        return values, valid

    def _labels(self, moment: Moment, values: Array, valid: Array, copula: Copula) -> Int[Array, " neuron"]:
        if self.follow:
            start = dataclasses.replace(moment, parameters=moment.initial)
            values, valid = self._activations(start)
            copula = gaussian_copula(values, valid, ties=self.ties)
        return self.groups.labels(values, valid, copula)

    def _variables(
        self, values: Array, valid: Array, copula: Copula, labels: Array
    ) -> tuple[Copula, Int[Array, " variable"]]:
        """The variables of unions, and the group of each."""
        groups = self.groups.groups
        if self.reading == "means":
            inside = (labels[:, None] == jnp.arange(groups)[None]).astype(values.dtype)
            sizes = jnp.maximum(jnp.sum(inside, axis=0), 1)
            with jax.default_matmul_precision("highest"):
                means = (values @ inside) / sizes[None]
            copula, labels = gaussian_copula(means, valid, ties=self.ties), jnp.arange(groups)
        return copula, labels

    @property
    def _fewest(self) -> int:
        return 2 if self.reading == "neurons" else 3

    def _of_all(
        self, moment: Moment, copula: Copula, labels: Array, bias: Array | None
    ) -> "tuple[Extreme, Extreme]":
        del moment
        groups = self.groups.groups
        unions = all_unions(copula.correlation, labels, copula.alive, groups)
        blocks = self.reading == "blocks"
        values = of_blocks(unions) if blocks else of_variables(unions)
        if bias is not None:
            values = values - (bias_of_blocks if blocks else bias_of_variables)(unions, bias)
        members = union_members(groups)
        chosen = members.sum(axis=1) >= self._fewest
        found = []
        for sign in (1, -1):
            best = jnp.argmin(jnp.where(chosen, sign * values, jnp.inf))
            found.append((jnp.asarray(members)[best], values[best]))
        return found[0], found[1]

    def _by_search(
        self, moment: Moment, copula: Copula, labels: Array, bias: Array | None
    ) -> "tuple[Extreme, Extreme]":
        value = self._value(copula, labels, bias)
        found = []
        for index, sign in enumerate((1, -1)):
            signed: Value = lambda union, sign=sign: sign * value(union)
            if self.search == "greedy":
                union, least = eliminated(signed, self.groups.groups, self._fewest)
            else:
                key = jax.random.fold_in(moment.key, index)
                union, least = annealed(signed, self.groups.groups, self._fewest, key, ANNEALING_STEPS)
            found.append((union, sign * least))
        return found[0], found[1]

    def _value(self, copula: Copula, labels: Array, bias: Array | None) -> Value:
        """O-information of one union in nats, the plain way."""

        def entropies(union: Bool[Array, " group"]) -> tuple[Array, Array, Array]:
            inside = union[labels] & copula.alive
            return *union_moments(copula.correlation, inside), jnp.sum(inside)

        def log_det(union: Bool[Array, " group"]) -> Array:
            found, _, size = entropies(union)
            return found if bias is None else found - 2 * bias[size]

        def of_neurons(union: Bool[Array, " group"]) -> Array:
            first, second, size = entropies(union)
            value = -first - 0.5 * second
            if bias is None:
                return value
            total, dual = bias_of_totals(bias, size)
            return value - (total - dual)

        def of_groups(union: Bool[Array, " group"]) -> Array:
            own = jnp.eye(len(union), dtype=bool)
            change = jax.lax.map(lambda one: log_det(one) - log_det(union & ~one), own)
            count = jnp.sum(union).astype(change.dtype)
            return 0.5 * ((count - 2) * log_det(union) + jnp.sum(jnp.where(union, change, 0)))

        return of_groups if self.reading == "blocks" else of_neurons


Extreme = tuple[Bool[Array, " group"], Float[Array, ""]]
"""A union, and its O-information in nats."""
