"""What was written down while code ran gives, done again on other numbers, the bits that the code gives on them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from cotune.training.fused.tape import Tape, Unrecordable


def gradients(x, w):
    return torch.autograd.grad(F.gelu(x @ w).softmax(-1).pow(2).sum(), [x, w])


def both_ends(x, w):
    first, second = x.split(3, dim=1)
    values, places = x.max(1)
    return first * 2, second.contiguous(), values, places, *x.sort(1)


def in_place(x, w):
    x.add_(1.0)
    x[:, 0] = 7.0
    seen = x.view(-1)
    seen.mul_(w.flatten()[: seen.numel()])
    return (x.clone(),)


def nothing_is_changed(x, w):
    return x.expand(4, 6).view(4, 6).detach()[:], x.T.T


def conjugated(x, w):
    z = torch.complex(x, x.flip(0))
    return torch.view_as_real(z.conj().resolve_conj()), (z.conj() * z).real


def empty(x, w):
    return torch.cat([x[:0], x[:0]]), x[:0].sum()


def made(x, w):
    return torch.arange(6) + x, torch.zeros_like(x).add_(1) * w.mean(), torch.full((4, 6), 2.0) * x, x.to(torch.float64)


def indexed(x, w):
    return x[:, torch.tensor([0, 2])], x[x.argmax(0), 0], torch.where(x > 0, x, -1.0), x.masked_fill(x < 0, -torch.inf)


def convolved(x, w):
    images = x.view(1, 1, 4, 6).requires_grad_()
    result = F.max_pool2d(F.conv2d(images, w[:3, :3].reshape(1, 1, 3, 3), padding=1), 2)
    return result.detach(), *torch.autograd.grad(result.sum(), [images])


def written_over(x, w):
    return ((x + 1).relu().exp().tanh().neg(),)


def seen_later(x, w):
    doubled = x * 2
    return doubled.exp(), doubled.view(-1)[::2].clone()


def seen_elsewhere(x, w):
    doubled = x * 2
    tail = doubled[1:]
    return doubled.exp(), tail.neg()


def overlapping(x, w):
    doubled = w * 2
    return doubled * doubled.T, (w + 1) * (w + 1)


def returned_too(x, w):
    doubled = x * 2
    return doubled, x.neg(), doubled.neg()


def of_a_constant(x, w):
    return KEPT.neg() + x, KEPT.t().exp().t() * x


def too_small(x, w):
    return (x[:1] + 1).mul(x), (x > 0).logical_not(), (x > 0).logical_not().add(1.5)


def derived(x, w):
    x = x.detach().requires_grad_()
    return torch.autograd.grad((torch.sigmoid(x.relu()) * torch.tanh(x)).sum(), [x])


KEPT = torch.linspace(-1, 1, 24).view(4, 6)
CODE = [
    written_over,
    seen_later,
    seen_elsewhere,
    overlapping,
    returned_too,
    of_a_constant,
    too_small,
    derived,
    gradients,
    both_ends,
    in_place,
    nothing_is_changed,
    conjugated,
    empty,
    made,
    indexed,
    convolved,
]


def inputs(seed):
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=draw).requires_grad_() for shape in ((4, 6), (6, 6))]


def plain(tensors):
    return [tensor.detach().clone() for tensor in tensors]


def recorded(code, given):
    with Tape(given) as tape:
        outputs = code(*given)
    return tape.replay(outputs)


@pytest.mark.parametrize("code", CODE)
def test_a_replay_has_the_bits_of_the_code(code):
    needs_gradients = code is gradients
    given = [tensor.detach().requires_grad_(needs_gradients) for tensor in inputs(0)]
    replay = recorded(code, given)
    for seed in (1, 2):
        ours, theirs = plain(inputs(seed)), [t.detach().requires_grad_(needs_gradients) for t in inputs(seed)]
        expected = code(*theirs)
        found = replay(*ours)
        assert len(found) == len(expected)
        for one, other in zip([*found, *ours], [*expected, *theirs], strict=True):
            assert one.dtype == other.dtype
            assert torch.equal(one, other)
    assert torch.equal(KEPT, torch.linspace(-1, 1, 24).view(4, 6))


def test_the_first_inputs_are_not_held():
    x = torch.ones(3)
    replay = recorded(lambda x: (x * 2,), [x])
    x.fill_(5.0)
    assert replay(torch.full((3,), 4.0))[0].tolist() == [8.0] * 3


def test_other_tensors_are_constants_that_are_held():
    constant = torch.ones(3)
    replay = recorded(lambda x: (x * constant,), [torch.ones(3)])
    constant.fill_(5.0)  # the same tensor, as the code would see it
    assert replay(torch.ones(3))[0].tolist() == [5.0] * 3


class Counting(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls.append(func.name())
        return func(*args, **(kwargs or {}))


def test_what_no_output_needs_is_left_out_and_so_are_views_of_the_whole():
    def code(x: Tensor) -> tuple[Tensor]:
        (x * 3).exp()
        return (x.view(3).expand(3).detach() + 1,)

    replay = recorded(code, [torch.ones(3)])
    x = torch.zeros(3)
    with Counting() as counting:
        (result,) = replay(x)
    assert result.tolist() == [1.0] * 3
    assert counting.calls == ["aten::add.Tensor"]


def test_outputs_that_share_memory_are_told():
    def code(x, w):
        own = x * 2
        return own, x, own[0], KEPT, x + KEPT, w[1:]

    assert recorded(code, plain(inputs(0))).shared == {1, 2, 3, 5}


def test_inputs_that_change_are_told():
    def code(x, w):
        w[0].mul_(x.sum())
        return (x + w.sum(),)

    assert recorded(code, plain(inputs(0))).changes == {1}


def test_a_call_writes_over_what_is_not_needed_any_more():
    with Counting() as counting:
        recorded(written_over, plain(inputs(0)))(*plain(inputs(1)))
    names = [name.partition("::")[2] for name in counting.calls[-5:]]
    assert names == ["add.Tensor", "relu_", "exp_", "tanh_", "neg_"]


@pytest.mark.parametrize(
    "code", [lambda x: (x * x.sum().item(),), lambda x: (x.bernoulli(),), lambda x: (x * torch.rand(3),)]
)
def test_values_that_leave_torch_and_noise_cannot_be_recorded(code):
    with pytest.raises(Unrecordable, match="calls aten"):
        recorded(code, [torch.rand(3)])


def test_a_generator_cannot_be_recorded():
    draw = torch.Generator()
    with pytest.raises(Unrecordable):
        recorded(lambda x: (torch.empty(3).uniform_(generator=draw) * x,), [torch.rand(3)])
