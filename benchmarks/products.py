"""Every matrix product of a piece of work, recorded, to be run again with nothing in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
PRODUCTS = {
    *(aten.mm, aten.bmm, aten.mv, aten.dot),
    *(aten.addmm, aten.addmm_, aten.addmv, aten.addmv_, aten.addbmm, aten.addbmm_),
    *(aten.baddbmm, aten.baddbmm_),
}
Memory = dict[tuple[int, int, torch.dtype], Tensor]


class Layout(NamedTuple):
    """Where the entries of a tensor lie: address and bytes of its memory, and in it the tensor."""

    address: int
    bytes: int
    offset: int
    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device


class Product(NamedTuple):
    """A call of `function`; in a recorded one a `Layout` stands where there was a tensor."""

    function: Callable[..., object]
    args: list[Any]
    kwargs: dict[str, Any]

    def map(self, change: Callable[[Any], Any]) -> Product:
        """The same call with every argument changed."""
        kwargs = {name: change(value) for name, value in self.kwargs.items()}
        return Product(self.function, [change(value) for value in self.args], kwargs)


class Recorder(TorchDispatchMode):
    """Notes every matrix product while it is entered; those of a backward pass are among them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products: list[Product] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Note `func` if it is a product, and run it."""
        kwargs = kwargs or {}
        if func.overloadpacket in PRODUCTS:
            self.products.append(Product(func, list(args), kwargs).map(_layout))
            return func(*args, **kwargs)
        with self:  # inference mode hands over matmul and the like whole
            parts = func.decompose(*args, **kwargs)
        return func(*args, **kwargs) if parts is NotImplemented else parts


def replay(products: list[Product]) -> Callable[[], None]:
    """The bare loop over recorded products, on random operands that lie as theirs did.

    Operands that lay in the same memory share it again, so that caches are as warm as they were.
    """
    memory: Memory = {}
    calls = [product.map(lambda value: _made(value, memory)) for product in products]

    def work() -> None:
        for function, args, kwargs in calls:
            function(*args, **kwargs)

    return work


def _layout(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    memory, offset = value.untyped_storage(), int(value.storage_offset())
    place = memory.data_ptr(), memory.nbytes(), offset, value.shape, value.stride()
    return Layout(*place, value.dtype, value.device)


def _made(value: Any, memory: Memory) -> Any:
    if not isinstance(value, Layout):
        return value
    key = value.address, value.bytes, value.dtype
    if key not in memory:
        count = value.bytes // value.dtype.itemsize
        memory[key] = torch.randn(count, dtype=value.dtype, device=value.device)
    return memory[key].as_strided(value.shape, value.stride, value.offset)
