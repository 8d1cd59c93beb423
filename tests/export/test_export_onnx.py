from pathlib import Path

import onnxruntime
import pytest
import torch
from export_examples import CellNet, Unready, seeded

from nasturtium.core.errors import NasturtiumError
from nasturtium.export import onnx
from nasturtium.export.onnx import write_onnx

SHAPE = (1, 3, 16, 16)


def test_any_batch_size_gives_the_outputs_of_torch(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    net, path = seeded(CellNet), tmp_path / "net.onnx"
    report = write_onnx(net, torch.zeros(SHAPE), path)
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
    converted = onnx._convert(other, SHAPE[1:])
    monkeypatch.setattr(onnx, "_convert", lambda *_: converted)
    with pytest.raises(NasturtiumError, match=r"by up to 2\.50e-01"):
        write_onnx(net, torch.zeros(SHAPE), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_a_network_that_cannot_be_converted_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(NasturtiumError, match="can't be converted to ONNX"):
        write_onnx(Unready(), torch.zeros(SHAPE), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
