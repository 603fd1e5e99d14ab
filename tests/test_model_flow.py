"""The objective: its convention, its weights, and one flow from either prediction."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model.diffusion import flow  # noqa: E402
from model.diffusion.sampler import Told, sample  # noqa: E402
from model.diffusion.schedule import together  # noqa: E402
from simbench.errors import UserError  # noqa: E402

pytestmark = pytest.mark.torch


def batch(shape: tuple[int, ...] = (3, 4, 2, 5, 6), seed: int = 0):
    """clean, noise, level and a prediction."""
    g = torch.Generator().manual_seed(seed)
    clean, noise, prediction = (torch.randn(shape, generator=g) for _ in range(3))
    return clean, noise, torch.rand(shape[:2], generator=g), prediction


def test_level_one_is_noise_and_level_zero_clean() -> None:
    clean, noise, level, _ = batch()
    assert torch.equal(flow.noised(clean, noise, torch.ones_like(level)), noise)
    assert torch.equal(flow.noised(clean, noise, torch.zeros_like(level)), clean)


def test_velocity_is_the_derivative_by_level() -> None:
    clean, noise, level, _ = batch()
    ahead, behind = (flow.noised(clean, noise, level + step) for step in (0.5, -0.5))
    torch.testing.assert_close(ahead - behind, noise - clean)


def test_clean_comes_back_from_either_prediction() -> None:
    clean, noise, level, _ = batch()
    point = flow.noised(clean, noise, level)
    for predict, prediction in (("clean", clean), ("velocity", noise - clean)):
        torch.testing.assert_close(flow.clean_from(prediction, point, level, predict), clean)


@pytest.mark.parametrize("kind", flow.WEIGHTS)
def test_weights(kind: str) -> None:
    level = torch.tensor([0.0, 0.05, 0.5, 1.0])
    wanted = {"v": [400, 400, 4, 1], "x-ramp": [1, 0.955, 0.55, 0.1], "x": [1, 1, 1, 1]}[kind]
    torch.testing.assert_close(flow.weight(level, kind), torch.tensor(wanted, dtype=torch.float32))


def test_weight_v_is_the_squared_error_of_the_velocity() -> None:
    clean, noise, level, velocity = batch()
    level = level.clamp(min=flow.LEAST)
    plain = (velocity - (noise - clean)).square().mean()
    found = flow.loss(velocity, clean, noise, level, predict="velocity", kind="v")
    torch.testing.assert_close(found.total, plain)
    as_clean = flow.clean_from(velocity, flow.noised(clean, noise, level), level, "velocity")
    torch.testing.assert_close(flow.loss(as_clean, clean, noise, level, kind="v").total, plain)


def test_context_has_no_loss_and_no_gradient() -> None:
    clean, noise, level, prediction = batch()
    prediction.requires_grad_()
    context = torch.zeros(3, 4, dtype=torch.bool)
    context[:, :2] = True
    found = flow.loss(prediction, clean, noise, level, context, kind="x")
    found.total.backward()
    assert found.frames[:, :2].eq(0).all() and prediction.grad[:, :2].eq(0).all()
    torch.testing.assert_close(found.total, (prediction - clean)[:, 2:].square().mean())
    nothing = flow.loss(prediction, clean, noise, level, torch.ones_like(context))
    assert nothing.total == 0, "a batch of context alone is 0, not NaN"


def test_mask_says_how_much_a_place_counts() -> None:
    clean, noise, level, prediction = batch()
    mask = torch.ones(3, 4, 1, 5, 6)
    plain = flow.loss(prediction, clean, noise, level, kind="x")
    same = flow.loss(prediction, clean, noise, level, kind="x", mask=mask)
    assert torch.equal(plain.total, same.total)
    mask[:, :, :, 1, 1] = 3
    more = flow.loss(prediction, clean, noise, level, kind="x", mask=mask)
    there = (prediction - clean)[..., 1, 1].square().sum() * 2 / clean.numel()
    torch.testing.assert_close(more.total, plain.total + there)
    assert torch.equal(more.error, plain.error), "the error stays comparable"


def test_loss_is_float32_whatever_came_in() -> None:
    clean, noise, level, prediction = batch()
    found = flow.loss(prediction.bfloat16(), clean.bfloat16(), noise.bfloat16(), level)
    assert found.total.dtype == found.frames.dtype == found.error.dtype == torch.float32


@pytest.mark.parametrize(
    ("predict", "kind", "says"), [("noise", "v", "predict=noise"), ("clean", "w", "weight=w")]
)
def test_unknown_names(predict: str, kind: str, says: str) -> None:
    clean, noise, level, prediction = batch()
    with pytest.raises(UserError, match=says):
        flow.loss(prediction, clean, noise, level, predict=predict, kind=kind)


def posterior(points: torch.Tensor, predict: str):
    """The best possible model for data that is one of `points` [N, 2] with equal chance: E[clean | noised],
    or the velocity that it means."""

    def denoise(noised, level, seconds, **rest):
        t = level[..., None]
        distance = (noised[:, :, None] - (1 - t[..., None]) * points).square().sum(-1)
        chance = torch.softmax(-distance / (2 * t.clamp(min=1e-3) ** 2), -1)
        clean = chance @ points
        return clean if predict == "clean" else (noised - clean) / t.clamp(min=1e-3)

    return denoise


def test_both_predictions_give_one_flow_to_the_data() -> None:
    g = torch.Generator().manual_seed(0)
    points = torch.randn(6, 2, generator=g) * 2
    noise = torch.randn(400, 1, 2, generator=g)
    told, levels = Told(torch.zeros(400, 1)), together(60, 1)
    ends = {
        p: sample(posterior(points, p), noise, levels, told, predict=p, order="heun") for p in flow.PREDICT
    }
    torch.testing.assert_close(ends["clean"], ends["velocity"], atol=1e-3, rtol=0)
    distance = (ends["clean"] - points).norm(dim=-1)
    assert distance.min(1).values.max() < 0.05, "the flow ends on the data"
    shares = np.bincount(distance.argmin(1).numpy(), minlength=6) / 400
    assert np.abs(shares - 1 / 6).max() < 0.1, f"every point is reached about as often: {shares}"
