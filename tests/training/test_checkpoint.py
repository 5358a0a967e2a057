from __future__ import annotations

import math
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cotune.errors import FormatError, StorageError, TaskError
from cotune.training.checkpoint import decode, encode, read, restore, state_of, write, write_parts

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(PLAIN)
def test_plain_values_come_back_equal_and_of_the_same_type(value):
    back = decode(encode(value))
    assert back == value
    assert repr(back) == repr(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 1e-320, 2**200])
def test_unusual_numbers_come_back_exactly(value):
    assert repr(decode(encode({"x": [value]}))) == repr({"x": [value]})


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.uint8,
        torch.bool,
        torch.complex64,
    ],
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3)])
def test_tensors_come_back_with_dtype_shape_and_bits(dtype, shape):
    tensor = (torch.randn(shape) * 3).to(dtype)
    back = decode(encode([tensor]))[0]
    assert back.dtype == dtype
    assert torch.equal(back, tensor)
    assert back.shape == shape


def test_a_view_that_is_not_contiguous_comes_back():
    tensor = torch.arange(12).reshape(3, 4).T[1:, ::2]
    assert torch.equal(decode(encode(tensor)), tensor)


def test_tensors_that_share_memory_come_back_with_memory_of_their_own():
    tensor = torch.zeros(4)
    a, b = decode(encode((tensor, tensor[:2])))
    a += 1
    assert b.tolist() == [0, 0]


def test_tied_weights_of_a_model_come_back():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    other = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    other.load_state_dict(decode(encode(model.state_dict())))
    assert torch.equal(other[1].weight, model[1].weight)


def test_a_parameter_comes_back_as_a_tensor_without_gradient():
    assert not decode(encode(nn.Parameter(torch.ones(2)))).requires_grad


@pytest.mark.parametrize("array", [np.arange(3, dtype=np.uint16), np.zeros((2, 0)), np.arange(6).reshape(2, 3).T])
def test_numpy_arrays_come_back_as_arrays(array):
    back = decode(encode({1: array}))[1]
    assert isinstance(back, np.ndarray)
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


@pytest.mark.parametrize("scalar", [np.float64(0.1), np.float32(0.1), np.int8(-3), np.bool_(True)])
def test_numpy_scalars_come_back_as_scalars(scalar):
    back = decode(encode(scalar))
    assert type(back) is type(scalar)
    assert back == scalar


def test_the_same_state_gives_the_same_bytes():
    state = {"b": torch.ones(3), "a": [torch.zeros(2), 1.5]}
    assert encode(state) == encode(state)


@pytest.mark.parametrize(
    ("state", "place"),
    [
        ({"a": [1, {2, 3}]}, r"state\['a'\]\[1\] is a set"),
        ({"a": b"x"}, r"state\['a'\] is a bytes"),
        ({"f": {"g": print}}, r"state\['f'\]\['g'\] is a builtin"),
        ({"k": {(1, 2): 0}}, r"state\['k'\] has the key \(1, 2\)"),
        ({True: 1}, "state has the key True"),
        ([torch.eye(2).to_sparse()], r"state\[0\] is a torch.sparse"),
        ([np.array(["x"])], r"state\[0\] is a NumPy array"),
    ],
)
def test_what_cannot_be_stored_is_named_by_its_place(state, place):
    with pytest.raises(TaskError, match=place):
        encode(state)


@pytest.mark.parametrize("data", [b"", b"nonsense", encode({"a": torch.ones(5)})[:-3]])
def test_damaged_bytes_are_an_error_of_storage(data):
    with pytest.raises(StorageError, match="not a cotune checkpoint"):
        decode(data)


def test_bytes_of_a_newer_format_are_refused():
    with pytest.raises(FormatError, match="update cotune"):
        decode(encode(1).replace(b'\\"format\\":1', b'\\"format\\":9'))


def test_a_file_comes_back_as_written(tmp_path):
    digest = write(tmp_path / "a.safetensors", b"content")
    assert read(tmp_path / "a.safetensors", digest) == b"content"
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_parts_of_a_file_come_back_one_by_one(tmp_path):
    parts = write_parts(tmp_path / "a", (content for content in (b"first", b"", b"third")))
    assert [(part.offset, part.length) for part in parts] == [(0, 5), (5, 0), (5, 5)]
    back = [read(tmp_path / "a", part.sha256, offset=part.offset, length=part.length) for part in parts]
    assert back == [b"first", b"", b"third"]


def test_a_part_that_fails_leaves_no_file(tmp_path):
    def parts():
        yield b"first"
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        write_parts(tmp_path / "a", parts())
    assert not list(tmp_path.iterdir())


def test_writing_replaces_the_old_file(tmp_path):
    write(tmp_path / "a", b"old")
    assert read(tmp_path / "a", write(tmp_path / "a", b"new")) == b"new"


def test_a_file_is_on_the_disk_before_it_has_its_name_and_the_name_before_writing_returns(monkeypatch, tmp_path):
    synced, fsync = [], os.fsync

    def watched(descriptor):
        synced.append((os.fstat(descriptor).st_ino, (tmp_path / "a").exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write(tmp_path / "a", b"content")
    assert synced == [((tmp_path / "a").stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_a_changed_file_is_noticed(tmp_path):
    digest = write(tmp_path / "a", b"content")
    (tmp_path / "a").write_bytes(b"Content")
    with pytest.raises(StorageError, match="damaged"):
        read(tmp_path / "a", digest)


def test_a_missing_file_is_an_error_of_storage(tmp_path):
    with pytest.raises(StorageError, match="cannot read"):
        read(tmp_path / "a", "0")


def test_writing_into_a_missing_folder_is_an_error_of_storage(tmp_path):
    with pytest.raises(StorageError, match="cannot write"):
        write(tmp_path / "no" / "a", b"")


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox])
def test_a_numpy_generator_continues_from_its_state(kind):
    generator = np.random.Generator(kind(5))
    generator.normal(size=3)
    state = decode(encode(state_of(generator)))
    expected = generator.normal(size=4)
    other = np.random.Generator(kind(0))
    restore(other, state)
    assert np.array_equal(other.normal(size=4), expected)


def test_a_torch_generator_continues_from_its_state():
    generator = torch.Generator().manual_seed(4)
    state = decode(encode(state_of(generator)))
    expected = torch.rand(3, generator=generator)
    restore(generator, state)
    assert torch.equal(torch.rand(3, generator=generator), expected)


def test_a_model_is_restored_through_its_state_dict():
    model, other = nn.Linear(2, 2), nn.Linear(2, 2)
    restore(other, decode(encode(state_of(model))))
    assert torch.equal(other.weight, model.weight)
