"""Motion on a landscape of norm and messiness: the reduced trajectory of a network that groks.

Axes of this module
    time      saved moments
    point     corners of a curve
"""

import dataclasses
import functools
import math
import typing
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


Surface = Callable[[Float[Array, ""], Float[Array, ""]], Float[Array, ""]]
"""A value at (w, m), differentiable in JAX: `Plane.at_norm`, or a function of your own."""

_ACCURACY = 1e-9  # relative and absolute, of ln w and m in one step of the integration
_MOST_STEPS = 100_000
_BRAKE = 1e-4  # of the range of m: within so much of an end, m slows down towards it
_EARLIEST = 1e-6  # of the duration: the first saved moment after the start


@dataclasses.dataclass(frozen=True)
class Path:
    """Where a flow went; made by `flow`.

    **Fields:** over saved moments,

    - `time`: in steps.
    - `norm`, `messiness`: the place (w, m).
    - `train`: the training loss there, weight decay left out.
    - `norm_rate`, `messiness_rate`: dw/dt and dm/dt, a step.
    """

    time: Float[np.ndarray, " time"]
    norm: Float[np.ndarray, " time"]
    messiness: Float[np.ndarray, " time"]
    train: Float[np.ndarray, " time"]
    norm_rate: Float[np.ndarray, " time"]
    messiness_rate: Float[np.ndarray, " time"]

    @property
    def speed(self) -> Float[np.ndarray, " time"]:
        """In the plane of (ln w, m), a step: while only decay acts it is rate times decay."""
        return np.hypot(self.norm_rate / self.norm, self.messiness_rate)

    def along(self, surface: Surface) -> Float[np.ndarray, " time"]:
        """The values of another surface on the way, those of the test loss for instance."""
        with jax.enable_x64(True):
            return np.asarray(_heights(surface, jnp.asarray(self.norm), jnp.asarray(self.messiness)))


class _Setting(typing.NamedTuple):
    """What the velocity depends on besides the place."""

    loss: Surface
    decay: Float[Array, ""]
    decoder_rate: Float[Array, ""]
    representation_rate: Float[Array, ""]


def flow(
    loss: Surface,
    start: tuple[float, float],
    *,
    decay: float,
    decoder_rate: float,
    representation_rate: float,
    duration: float,
    saves: int = 400,
) -> Path:
    """Follows norm w and messiness m downhill on a reduced training loss, with weight decay of the norm.

    `dw/dt = -decoder_rate (dl/dw + decay w)`, `dm/dt = -representation_rate dl/dm` (Liu et al. 2023,
    "Omnigrok", Eq. 6). It assumes that the direction of the weights relaxes much faster than w and m.

    m stays within [0, 1]: at an end of that range it moves only inwards. The field is integrated in ln w, in
    which decay is a uniform drift, in float64, by an implicit method (Kvaerno's of order 5), because at the
    foot of a steep wall the flow is stiff.

    **Arguments:**

    - `loss`: the training loss without weight decay, at (w, m).
    - `start`: (w, m).
    - `duration`: in steps.
    - `saves`: about so many moments are kept: half of them equally spaced, half in equal ratios from a
        millionth of the duration on, so that the first fall and the long drift both show.

    Raises `ValueError` for arguments out of range, and where the loss is too rough to be followed.
    """
    if not (start[0] > 0 and 0 <= start[1] <= 1):
        raise ValueError(f"`start` must be (w, m) with w > 0 and m in [0, 1], got {start}.")
    for name, value in (
        ("decay", decay),
        ("decoder_rate", decoder_rate),
        ("representation_rate", representation_rate),
    ):
        if not value >= 0:
            raise ValueError(f"`{name}` must not be negative, got {value}.")
    if not duration > 0 or saves < 4:
        raise ValueError(f"`duration` must be above 0 and `saves` at least 4, got {duration} and {saves}.")
    import diffrax

    half = saves // 2
    time = np.unique(
        [*np.linspace(0, duration, half), *duration * np.geomspace(_EARLIEST, 1, half, endpoint=False)]
    )
    with jax.enable_x64(True):
        # Arrays, because a Python number would be a part of the compiled program.
        numbers = (decay, decoder_rate, representation_rate, duration)
        *rates, end = (jnp.asarray(float(number)) for number in numbers)
        setting = _Setting(loss, *rates)
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(_velocity),
            diffrax.Kvaerno5(),
            t0=0.0,
            t1=end,
            dt0=None,
            y0=jnp.asarray([math.log(start[0]), start[1]], float),
            args=setting,
            saveat=diffrax.SaveAt(ts=jnp.asarray(time)),
            stepsize_controller=diffrax.PIDController(rtol=_ACCURACY, atol=_ACCURACY),
            max_steps=_MOST_STEPS,
            throw=False,
        )
        if solution.result != diffrax.RESULTS.successful:
            raise ValueError(f"`loss` must be smooth and finite on the way from {start}: the flow got stuck.")
        places = typing.cast(Array, solution.ys)
        velocity, values = _look(setting, places)
        norm = np.exp(np.asarray(places[:, 0]))
        return Path(
            time=time,
            norm=norm,
            messiness=np.clip(np.asarray(places[:, 1]), 0, 1),
            train=np.asarray(values),
            norm_rate=norm * np.asarray(velocity[:, 0]),
            messiness_rate=np.asarray(velocity[:, 1]),
        )


def _velocity(time: typing.Any, place: Float[Array, "2"], setting: _Setting) -> Float[Array, "2"]:
    """The rates of (ln w, m)."""
    del time
    return _rates_and_loss(place, setting)[0]


def _rates_and_loss(
    place: Float[Array, "2"], setting: _Setting
) -> tuple[Float[Array, "2"], Float[Array, ""]]:
    norm, messiness = jnp.exp(place[0]), place[1]
    # A step may end a rounding error outside.
    inside = jnp.clip(messiness, 0, 1)
    loss, (by_norm, by_messiness) = jax.value_and_grad(setting.loss, argnums=(0, 1))(norm, inside)
    drift = -setting.decoder_rate * (by_norm / norm + setting.decay)
    change = -setting.representation_rate * by_messiness
    # To the end ahead; a rate that jumped to 0 there would hold up an implicit method.
    room = jnp.where(change < 0, messiness, 1 - messiness)
    return jnp.stack([drift, change * jnp.tanh(room / _BRAKE)]), loss


@eqx.filter_jit
def _look(
    setting: _Setting, places: Float[Array, "time 2"]
) -> tuple[Float[Array, "time 2"], Float[Array, " time"]]:
    return jax.vmap(functools.partial(_rates_and_loss, setting=setting))(places)


@eqx.filter_jit
def _heights(
    surface: Surface, norm: Float[Array, " time"], messiness: Float[Array, " time"]
) -> Float[Array, " time"]:
    return jax.vmap(surface)(norm, messiness)


def count_maxima(curve: Float[np.ndarray, " time"], *, prominence: float) -> int:
    """How many local maxima stand out from a curve by a prominence at least; ends are none.

    Several on the way of a test loss are a multiple descent (Liu et al. 2023, Figure 6 (c)).
    """
    import scipy.signal

    return len(scipy.signal.find_peaks(curve, prominence=prominence)[0])


def predicted_time(length: float, height: float, angle: float, *, decay: float, rate: float) -> float:
    """Steps from a start to the star: drift to the boundary, then down along it (Liu et al. 2023, 5.1).

    `t = (L + h tan theta) / (rate decay)`: with v = rate decay in ln w, `(L - h cot theta) / v` until the
    boundary, and `h / sin theta` at the speed `v cos theta` along it. It holds for one rate of both decoder
    and representation, and near w = 1, because lengths are Euclidean in (ln w, m); see `boundary_time`.

    **Arguments:**

    - `length`: L, from the start to the star in ln w.
    - `height`: h, from the start to the star in m.
    - `angle`: theta, between the boundary and the axis of ln w, in radians, in [0, pi / 2).
    - `decay`, `rate`: of the weights, and the learning rate.

    Raises `ValueError` for other angles, and for a decay or a rate that is not positive.
    """
    if not 0 <= angle < math.pi / 2:
        raise ValueError(f"`angle` must be in [0, pi / 2), got {angle}. Give it in radians.")
    _check_positive(decay=decay, rate=rate)
    return (length + height * math.tan(angle)) / (rate * decay)


def boundary_time(
    log_norm: Float[np.ndarray, " point"],
    messiness: Float[np.ndarray, " point"],
    *,
    decay: float,
    decoder_rate: float,
    representation_rate: float,
) -> float:
    """Steps to slide along a boundary m = M(w) from its outer end to its inner one.

    `t = 1/decay * integral of (1/decoder_rate + (dM/dw)^2 / representation_rate) d ln w`. The wall holds the
    flow on the curve, so that decay drags w and m together. Between its points M is linear in ln w, and the
    integral is exact. A drift over L1 in ln w that comes before takes `L1 / (decoder_rate decay)`. With one
    rate for both, and near w = 1, the sum is the formula of `predicted_time`.

    **Arguments:** `log_norm` and `messiness` are points of the curve in order, ln w falling or rising.

    **Degenerate inputs:** infinite where the curve is vertical, for decay cannot drag the flow along it.

    Raises `ValueError` where ln w turns round, and for a decay or rates that are not positive.
    """
    _check_positive(decay=decay, decoder_rate=decoder_rate, representation_rate=representation_rate)
    if log_norm[0] > log_norm[-1]:
        log_norm, messiness = log_norm[::-1], messiness[::-1]
    width, climb = np.diff(log_norm), np.diff(messiness)
    if (width < 0).any():
        raise ValueError(f"`log_norm` must fall or rise throughout, got {log_norm}. Cut the curve.")
    if (climb[width == 0] != 0).any():
        return math.inf
    slope = np.divide(climb, width, out=np.zeros_like(width), where=width > 0)
    inverse = np.exp(-2 * log_norm)  # 1 / w^2, for dM/dw = slope / w
    squares = slope**2 * (inverse[:-1] - inverse[1:]) / 2
    return float((width / decoder_rate + squares / representation_rate).sum() / decay)


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"`{name}` must be above 0, got {value}.")
