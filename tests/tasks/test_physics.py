"""Differential equations as tasks: residuals against finite differences, solutions against other solvers."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

import afterfit as af
from afterfit.ensemble import silent
from afterfit.ensemble._pack import packs
from afterfit.models import MLP
from afterfit.tasks import AbstractEquation, Burgers, derivatives, Heat, PhysicsInformed, Poisson, Residual


EQUATIONS = (
    Poisson(frequencies=(1, 2), amplitudes=(0.7, 0.3)),
    Heat(conductivity=0.3),
    Burgers(viscosity=0.05),
)


def inside(equation, count=40, seed=0):
    low, high = np.array(equation.low), np.array(equation.high)
    margin = 0.05 * (high - low)
    return np.random.default_rng(seed).uniform(low + margin, high - margin, (count, len(low)))


def by_differences(equation, function, points, source):
    """The residual of a NumPy function, by central differences of fourth order."""
    step = 2e-3

    def along(axis):
        shift = np.zeros(points.shape[1])
        shift[axis] = step
        at = {k: function(points + k * shift) for k in (-2, -1, 0, 1, 2)}
        first = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * step)
        second = (16 * (at[1] + at[-1]) - (at[2] + at[-2]) - 30 * at[0]) / (12 * step**2)
        return af.tasks.Derivatives(*map(jnp.asarray, (at[0], first, second)))

    with jax.enable_x64(True):
        return np.asarray(equation.residual(along, jnp.asarray(source)))


def network(axes, seed=0, width=7):
    """A smooth random network in float64: for JAX, and for NumPy."""
    random = np.random.default_rng(seed)
    weights = [random.normal(size=shape) for shape in ((axes, width), (width,), (width, 1))]

    def function(points, xp):
        first, bias, last = (xp.asarray(one) for one in weights)
        return (xp.tanh(points @ first + bias[None, :]) @ last) / width**0.5

    return lambda points: function(points, jnp), lambda points: function(points, np)[:, 0]


@pytest.mark.parametrize("equation", EQUATIONS, ids=lambda one: type(one).__name__)
def test_residuals_equal_finite_differences_in_float64(equation):
    points = inside(equation)
    source = equation.source(points)
    ours, plain = network(len(equation.low))
    expected = by_differences(equation, plain, points, source)
    targets = {
        "source": source,
        "weight": np.full(len(points), 2.5),
        "boundary": np.zeros(len(points)),
        "solution": equation.solution(points),
    }
    with jax.enable_x64(True):
        here, told = jax.tree.map(jnp.asarray, (points, targets))
        loss = Residual(equation).score(ours, here, told).loss
    np.testing.assert_allclose(np.sqrt(np.asarray(loss) / 2.5), np.abs(expected), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("equation", EQUATIONS, ids=lambda one: type(one).__name__)
def test_solutions_have_no_residual_and_meet_their_conditions(equation):
    points = inside(equation)
    found = by_differences(equation, equation.solution, points, equation.source(points))
    np.testing.assert_allclose(found, 0, atol=2e-5 * equation.scale(points) ** 0.5)
    for condition in equation.conditions():
        np.testing.assert_allclose(equation.solution(condition.points), condition.values, atol=1e-6)


def test_burgers_equals_a_spectral_solution():
    """Sines of x solve it by Galerkin's method, here in the form of differences of Fourier series."""
    viscosity, modes = 0.05, 128
    x = -1 + 2 * np.arange(modes) / modes
    wave = 1j * math.pi * np.fft.fftfreq(modes, 1 / modes)

    def rate(_, u):
        spectrum = np.fft.fft(u)
        # Conservative: -(u^2 / 2)_x + viscosity u_xx
        return np.real(np.fft.ifft(-wave * np.fft.fft(u**2) / 2 + viscosity * wave**2 * spectrum))

    times = (0.3, 0.7, 1.0)
    solved = scipy.integrate.solve_ivp(
        rate, (0, 1), -np.sin(math.pi * x), t_eval=times, rtol=1e-10, atol=1e-12, method="DOP853"
    )
    for index, t in enumerate(times):
        ours = Burgers(viscosity).solution(np.stack([x, np.full(modes, t)], axis=1))
        np.testing.assert_allclose(ours, solved.y[:, index], atol=1e-8)


def test_the_shock_of_burgers_is_as_steep_as_published():
    """Basdevant et al. 1986, Table 1: the greatest slope is 152.00516, at time 1.6037 / pi."""
    at = np.array([[-1e-6, 1.6037 / math.pi], [1e-6, 1.6037 / math.pi]])
    low, high = Burgers().solution(at)
    assert abs((low - high) / 2e-6 - 152.00516) < 1e-3


def test_a_third_derivative_is_no_more_than_a_derivative_of_a_derivative():
    """Derivatives can be nested, so that an equation of one's own may have any order."""
    with jax.enable_x64(True):
        points = jnp.linspace(-1.0, 1.0, 5)[:, None]
        cubic = lambda at: at**3
        nested = derivatives(lambda at: derivatives(cubic, at, 0).second[:, None], points, 0)
    np.testing.assert_allclose(nested.first, 6.0)


def test_an_axis_that_points_do_not_have_is_named():
    """JAX drops what is written out of range: such derivatives would be 0, and any network a solution."""
    points = jnp.zeros((4, 1))
    with pytest.raises(ValueError, match="points have 1 axes, counted from 0: there is no axis 1"):
        derivatives(lambda at: at**2, points, 1)


def test_losses_are_residuals_and_the_misfit_at_the_edges():
    task = PhysicsInformed(points=5, boundary=3.0, resolution=9, room=8)
    data = task.data(0)
    assert data.rows.shape == (17,) and data.train_capacity == 8
    np.testing.assert_allclose(data.inputs[:5, 0], np.linspace(-1, 1, 7)[1:-1], rtol=1e-6)
    np.testing.assert_allclose(data.inputs[5:14, 0], np.linspace(-1, 1, 9), rtol=1e-6)
    # The network u = 2: no second derivative, so the residual is the source; both ends are off by 2.
    predict = lambda points: 2 + 0 * points
    scores = task.objective.score(predict, jnp.asarray(data.inputs), jax.tree.map(jnp.asarray, data.targets))
    source = Poisson().source(data.inputs.astype(float))
    expected = source**2 / Poisson().scale(np.linspace(-1, 1, 201)[:, None])
    np.testing.assert_allclose(scores.loss[:5], expected[:5] + 3.0 * (4 + 4), rtol=1e-5)
    np.testing.assert_allclose(scores.loss[5:14], expected[5:14], rtol=1e-5, atol=1e-10)


def test_points_in_a_plane_are_spread_and_random_ones_are_drawn_by_the_seed():
    even = PhysicsInformed(Heat(), points=64, resolution=5)
    quarters = np.histogram2d(*even.data(0).inputs[:64].T, bins=2, range=[[-1, 1], [0, 1]])[0]
    np.testing.assert_allclose(quarters, 16, atol=1)
    np.testing.assert_array_equal(even.data(0).inputs, even.data(1).inputs)
    random = PhysicsInformed(Heat(), points=64, resolution=5, placement="random")
    np.testing.assert_array_equal(random.data(3).inputs, random.data(3).inputs)
    assert (random.data(3).inputs[:64] != random.data(4).inputs[:64]).all()


def test_a_network_finds_the_solution_and_its_twin_is_trained_beside_it():
    experiment = af.Experiment(
        PhysicsInformed(points=24, resolution=51),
        MLP(hidden=(24,), activation="tanh"),
        af.AdamW(5e-3, 0.0, warmup=0),
        steps=3000,
        twin=True,
        record=af.At((0, 3000)),
        probes=(
            af.probes.solution_error,
            af.probes.twin,
            af.probes.KernelAlignment(points=20, split="train"),
        ),
    )
    data = af.sweep(experiment).run(display=silent)
    assert float(data["solution_error"][-1]) < 1e-3
    assert float(data["test_loss"][-1]) < 1e-2
    assert np.isfinite(data["twin/test_loss"]).all() and float(data["twin/difference"][0]) == 0
    assert 0 < float(data["kernel_alignment/uncentred"][-1]) <= 1


def test_numbers_of_an_equation_share_a_program():
    experiment = af.Experiment(PhysicsInformed(Burgers(), points=9, resolution=3), MLP((4,)))
    plan = af.sweep(experiment, {"task.equation.viscosity": [0.01, 0.1], "task.boundary": [1.0, 10.0]})
    assert len(packs(plan.runs)) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"points": 0}, "`points` must be a whole number of at least 1"),
        ({"boundary": -1.0}, "`boundary` must not be negative"),
        ({"room": 3}, "`room` must be a whole number of at least 16 .points."),
        ({"resolution": 1}, "`resolution` must be a whole number of at least 2"),
    ],
)
def test_bad_fields_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        PhysicsInformed(**fields)


def test_bad_equations_are_named():
    with pytest.raises(ValueError, match="`viscosity` must be a positive number"):
        Burgers(0.0)
    with pytest.raises(ValueError, match="`amplitudes` must be as many as the 1 frequencies"):
        Poisson((1,), (1.0, 2.0))
    assert issubclass(Heat, AbstractEquation)
