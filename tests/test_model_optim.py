"""Optimizers, schedule, clipping and averages of the weights, against torch and against their definitions."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from model.training import ema, optim  # noqa: E402
from model.training.config import OptimConfig  # noqa: E402
from simbench.errors import UserError  # noqa: E402

pytestmark = pytest.mark.torch


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 48, 16), (2, 16, 48), (1, 5, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_orthogonal_moves_singular_values_near_one_and_keeps_the_vectors(shape, dtype) -> None:
    matrices = random(*shape)
    found = optim.orthogonal(matrices, dtype)
    assert found.dtype == torch.float32
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.3 and values.max() < 1.3
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    inner = left.mT @ found @ right.mT
    off = inner - torch.diag_embed(torch.diagonal(inner, dim1=-2, dim2=-1))
    assert off.abs().max() < (1e-4 if dtype == torch.float32 else 0.1)


def test_a_zero_gradient_gives_no_update_and_no_nan() -> None:
    assert torch.equal(optim.orthogonal(torch.zeros(1, 4, 4)), torch.zeros(1, 4, 4))


def steps(optimizer, params, count: int = 5) -> None:
    for k in range(count):
        for i, param in enumerate(params):
            param.grad = random(*param.shape, seed=100 * k + i)
        optimizer.step()


def test_muon_equals_torch() -> None:
    """Up to the rounding of bf16, in which torch works: a few per cent of the way that the weights went."""
    mine = [torch.nn.Parameter(random(*s)) for s in ((16, 16), (24, 16), (16, 24), (16, 16))]
    before = [p.detach().clone() for p in mine]
    other = [torch.nn.Parameter(p.clone()) for p in before]
    steps(optim.Muon(mine, 0.01, 0.95, 0.1, torch.bfloat16), mine)
    steps(torch.optim.Muon(other, 0.01, 0.1, 0.95, adjust_lr_fn="match_rms_adamw"), other)
    for a, b, start in zip(mine, other, before, strict=True):
        assert (a - b).norm() < 0.03 * (b - start).norm()


def test_update_has_the_same_size_in_every_shape() -> None:
    sizes = []
    for shape in ((64, 64), (192, 64), (64, 256)):
        param = torch.nn.Parameter(torch.zeros(shape))
        steps(optim.Muon([param], 1.0, 0.95), [param], 1)
        sizes.append(param.detach().square().mean().sqrt().item())
    assert min(sizes) > 0.15 and max(sizes) < 0.23


@pytest.mark.parametrize("columns", [8, 16, 24])
def test_pieces_are_made_orthogonal_one_by_one(columns: int) -> None:
    whole = torch.nn.Parameter(random(48, columns))
    parts = [torch.nn.Parameter(p.clone()) for p in whole.detach().split(16)]
    grad = random(48, columns, seed=5)
    whole.grad = grad
    for part, g in zip(parts, grad.split(16), strict=True):
        part.grad = g
    optim.Muon([{"params": [whole], "pieces": 3}], 0.1).step()
    optim.Muon(parts, 0.1).step()
    assert torch.allclose(whole, torch.cat(list(parts)), atol=1e-6)


class Block(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = torch.nn.ModuleDict(
            {"qkv": torch.nn.Linear(8, 24, bias=False), "out": torch.nn.Linear(8, 8)}
        )
        self.up = torch.nn.Linear(2, 48, bias=False)
        self.table = torch.nn.Parameter(torch.zeros(6, 8))


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter = torch.nn.Linear(4, 8)
        self.blocks = torch.nn.ModuleList(Block() for _ in range(2))


def test_groups_by_name_and_shape() -> None:
    net = Net()
    muon, adam = optim.build(net.named_parameters(), OptimConfig(weight_decay=0.1))
    assert isinstance(muon, optim.Muon) and isinstance(adam, torch.optim.AdamW)
    assert [(len(g["params"]), g["pieces"]) for g in muon.param_groups] == [(2, 3), (2, 1)]
    assert [(len(g["params"]), g["weight_decay"]) for g in adam.param_groups] == [(5, 0.1), (3, 0.0)]
    (only,) = optim.build(net.named_parameters(), OptimConfig(optimizer="adamw"))
    assert isinstance(only, torch.optim.AdamW)


def test_muon_gets_the_layers_of_the_transformers_blocks_and_nothing_else() -> None:
    from model.config import DiTConfig
    from model.network.dit import DiT

    net = DiT(DiTConfig(width=16, depth=1, heads=1, text_width=8, cross_every=1))
    counts = {name: optim.pieces(name, p) for name, p in net.named_parameters()}
    assert {name: count for name, count in counts.items() if count} == {
        "blocks.0.attention.qkv.weight": 3,
        "blocks.0.attention.out.weight": 1,
        "blocks.0.cross.q.weight": 1,
        "blocks.0.cross.kv.weight": 2,
        "blocks.0.cross.out.weight": 1,
        "blocks.0.feed.up.weight": 1,
        "blocks.0.feed.down.weight": 1,
    }


def test_adamw_of_a_run_equals_its_definition() -> None:
    """Loshchilov and Hutter 2019, algorithm 2, with beta 0.9 and 0.95."""
    config = OptimConfig(optimizer="adamw", adam_lr=0.01, weight_decay=0.1)
    param = torch.nn.Parameter(random(3, 5))
    wanted = param.detach().double()
    (adam,) = optim.build([("x", param)], config)
    first, second = torch.zeros_like(wanted), torch.zeros_like(wanted)
    for k in range(1, 6):
        grad = random(3, 5, seed=k)
        param.grad = grad.clone()
        adam.step()
        first = 0.9 * first + 0.1 * grad
        second = 0.95 * second + 0.05 * grad.double() ** 2
        ratio = (first / (1 - 0.9**k)) / ((second / (1 - 0.95**k)).sqrt() + 1e-10)
        wanted = wanted * (1 - 0.01 * 0.1) - 0.01 * ratio
    assert torch.allclose(param.double(), wanted, atol=1e-6)


def test_schedule() -> None:
    values = [optim.rate(p, 0.02, 0.3) for p in (0, 0.01, 0.02, 0.5, 0.7, 0.85, 1, 1.2)]
    assert values == pytest.approx([0, 0.5, 1, 1, 1, 0.5, 0, 0])
    assert optim.rate(0, 0, 0) == optim.rate(1, 0, 0) == 1
    (adam,) = optim.build([("x", torch.nn.Parameter(random(2)))], OptimConfig(adam_lr=0.4))
    optim.set_rate([adam], 0.5)
    optim.set_rate([adam], 0.25)
    assert adam.param_groups[0]["lr"] == pytest.approx(0.1)


def test_clip_follows_the_norms_and_stops_a_spike() -> None:
    clip = optim.Clip()
    assert clip.limit == math.inf
    for k in range(200):
        clip = clip.seen(1.0 + 0.1 * (-1) ** k)
    assert clip.mean == pytest.approx(1, abs=0.02) and clip.limit == pytest.approx(1.3, abs=0.03)
    assert clip.seen(1000.0).mean < 1.01, "an outlier must not move the limit by more than it is"
    for _ in range(300):
        clip = clip.seen(5.0)
    assert clip.limit > 4.5, "a lasting change is followed"


def test_gradient_norm_and_scaling() -> None:
    params = [torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(3))]
    params[0].grad, params[1].grad = torch.tensor([3.0, 0]), torch.tensor([0, 4.0, 0])
    assert optim.gradient_norm(params).item() == pytest.approx(5)
    optim.scale_gradients(params, 0.5)
    assert optim.gradient_norm(params).item() == pytest.approx(2.5)


@pytest.mark.parametrize(("sigma", "gamma"), [(0.10, 6.94), (0.05, 16.97)])
def test_power_function_exponents_of_the_paper(sigma: float, gamma: float) -> None:
    assert ema.exponent(sigma) == pytest.approx(gamma, abs=0.005)


@pytest.mark.parametrize("sigma", [0, -1, 0.3, math.nan])
def test_a_width_that_no_profile_has_is_refused(sigma: float) -> None:
    with pytest.raises(UserError, match=r"at most 0\.28"):
        ema.exponent(sigma)


def test_average_weighs_steps_by_a_power() -> None:
    param = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    average = ema.EMA([("w", param)], (0.1,))
    gamma, count = ema.exponent(0.1), 400
    values = random(count).double()
    for k in range(count):
        param.data.fill_(values[k])
        average.update([("w", param)], k + 1)
    weights = (torch.arange(1, count + 1).double() / count) ** gamma
    wanted = (weights * values).sum() / weights.sum()
    assert average.averages[0.1]["w"].item() == pytest.approx(wanted.item(), abs=5e-3)


def test_the_average_does_not_remember_the_start_and_can_stand_in() -> None:
    param = torch.nn.Parameter(torch.full((2,), 100.0))
    average = ema.EMA([("w", param)], (0.05, 0.1))
    with torch.no_grad():
        param.fill_(3.0)
    average.update([("w", param)], 1)
    with torch.no_grad():
        param.fill_(4.0)
    with average.applied({"w": param}, 0.1):
        assert param.tolist() == [3, 3]
    assert param.tolist() == [4, 4]
    assert sorted(average.state()) == ["0.05.w", "0.1.w"]
