from pathlib import Path

import onnxruntime
import pytest
import torch
from export_examples import CellNet, Unready, seeded

from nasturtium.core.errors import NasturtiumError
from nasturtium.export import onnx
from nasturtium.export.onnx import write_onnx
from nasturtium.export.source.write import write_network_source
from nasturtium.modules.example import fixed, random_images

SHAPE = (1, 3, 16, 16)
INPUTS = fixed(random_images(SHAPE[1:]))


def test_any_batch_size_gives_the_outputs_of_torch(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    net, path = seeded(CellNet), tmp_path / "net.onnx"
    report = write_onnx(net, INPUTS, path)
    assert capfd.readouterr() == ("", "")
    assert report.bytes == path.stat().st_size
    assert report.max_difference < 1e-4
    assert report.opset >= 18
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch in (1, 3, 7):
        x = torch.rand((batch, *SHAPE[1:]), generator=torch.Generator().manual_seed(batch))
        (found,) = session.run(["output"], {"images": x.numpy()})
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(found), net(x), rtol=0, atol=1e-4)


def test_a_difference_is_stated_and_nothing_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, other = seeded(CellNet), seeded(CellNet)
    with torch.no_grad():
        other.classifier.bias.add_(0.25)
    converted = onnx._convert(other, INPUTS)
    monkeypatch.setattr(onnx, "_convert", lambda *_: converted)
    with pytest.raises(NasturtiumError, match=r"by up to 2\.50e-01"):
        write_onnx(net, INPUTS, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_a_network_that_cannot_be_converted_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(NasturtiumError, match="can't be converted to ONNX"):
        write_onnx(Unready(), INPUTS, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


class TwoInputs(torch.nn.Module):
    """Looks words up and adds numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(7, 4)
        self.numbers = torch.nn.Linear(3, 4)

    def forward(self, words: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return self.words(words).mean(1) + self.numbers(numbers)


def two_inputs(batch: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(batch)
    words = torch.randint(7, (batch, 5), generator=generator)
    return words, torch.rand(batch, 3, generator=generator)


def test_several_inputs_and_whole_numbers_are_exported(tmp_path: Path) -> None:
    net = TwoInputs().eval()
    write_onnx(net, two_inputs, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    words, numbers = two_inputs(3)
    (found,) = session.run(["output"], {"input0": words.numpy(), "input1": numbers.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), net(words, numbers), rtol=0, atol=1e-5)
    write_network_source(net, two_inputs(2), tmp_path / "network.py", title="t", notes={})
    assert "torch.zeros(2, 5, dtype=torch.int64), torch.zeros(2, 3)" in (tmp_path / "network.py").read_text()
