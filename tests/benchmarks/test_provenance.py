"""What stands above every table."""

from benchmarks.provenance import heading, provenance


def test_a_heading_names_machine_threads_and_versions() -> None:
    known = provenance(2, {"ONNX Runtime": "1.2.3"})
    text = heading(known)
    assert "2 threads" in text and "ONNX Runtime 1.2.3" in text and known["cpu"] in text
    assert text.startswith(known["date"][:10])
