"""Branches and loops in the artifact: the runtime takes every way, as ONNX Runtime does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx.reference import ReferenceEvaluator

import frontends
import targets
from compiler import assemble, bench, calls, codegen, plan
from compiler.abi import Session
from compiler.plan import Jump
from frontends.model import cut
from tests.compiler import nets

Array = np.ndarray
Agrees = Callable[..., plan.Plan]
X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
ROWS = np.linspace(-1, 1, 600, dtype=np.float32).reshape(200, 3)
WAYS = [(False, False), (False, True), (True, False), (True, True)]


@pytest.fixture
def agrees(tmp_path: Path) -> Agrees:
    """The text's artifact gives what ONNX Runtime gives, or the standard's own evaluator, for all
    feeds one after the other.
    """

    def agrees(graph: str, *feeds: dict[str, Array], standard: bool = False) -> plan.Plan:
        path = nets.save(f'<ir_version: 8, opset_import: ["": 17]> g {graph}', tmp_path)
        model, profile = frontends.load("ONNX", path, None), targets.get("host")
        lowered = nets.lower(model, "host")
        objects = codegen.compile_kernels(lowered.kernels, profile, tmp_path)
        made = plan.make(lowered, tmp_path)
        assert any(isinstance(step, Jump) for step in made.steps)
        into = tmp_path / "artifact"
        folder = assemble.link(objects, made, model.signature, profile, into)
        proto = onnx.load(path)
        oracle = (
            ReferenceEvaluator(proto)
            if standard
            else ort.InferenceSession(proto.SerializeToString())
        )
        with Session(folder) as session:
            for feed in feeds:
                wanted = oracle.run(None, feed)
                got = cut(session.run(feed))
                for tensor, want in zip(model.signature.own, wanted, strict=True):
                    assert got[tensor.name].shape == want.shape
                    np.testing.assert_allclose(got[tensor.name], want, 1e-5)
        times = bench.profile(folder, profile.zig, 1, seconds=0)
        assert len(times.calls) == len(made.calls)
        ran = {call.kernel for call in times.calls if call.median_ms}
        assert {row.kernel for row in calls.rows(times, lowered.report())} == ran
        return made

    return agrees


def test_if_both_ways(agrees: Agrees) -> None:
    """Captured values, a captured value as it is, a result of another one."""
    text = """(bool c, float[2,3] x) => (float[2,3] y, float[2,3] z, float[2,3] w) {
    a = Sigmoid(x)
    y, z, b = If (c) <
        then_branch = t () => (float[2,3] u, float[2,3] n, float[2,3] v)
            { u = Softmax(a) n = Neg(u) v = Identity(a) },
        else_branch = e () => (float[2,3] k, float[2,3] l, float[2,3] m)
            { k = Neg(x) l = Mul(a, x) m = Softmax(l) }>
    w = Add(b, a) }"""
    agrees(text, *({"c": np.array(c), "x": X} for c in (True, False, True)))


@pytest.mark.parametrize("trips", [0, 1, 7])
def test_a_loop_ends_by_count_or_condition(agrees: Agrees, trips: int) -> None:
    text = """(int64 m, bool c, float[2,3] x, float most) => (float[2,3] y, int64 n)
    <int64 zero = {0}, int64 one = {1}> {
    y, n = Loop (m, c, x, zero) <
        body = b (int64 i, bool on, float[2,3] s, int64 k) => (bool go, float[2,3] t, int64 l)
            { p = Mul(s, s) t = Add(p, x) l = Add(k, one)
              total = ReduceSum<keepdims=0>(t) go = Less(total, most) }> }"""
    ways = [(True, 1e30), (True, 4.0), (True, -9.0), (False, 1e30)]
    feeds = [
        {"m": np.array(trips), "c": np.array(c), "x": X, "most": np.array(most, np.float32)}
        for c, most in ways
    ]
    agrees(text, *feeds)


def test_values_change_places_in_a_loop(agrees: Agrees) -> None:
    text = """(int64 m, float[2,3] x) => (float[2,3] y, float[2,3] z) {
    n = Neg(x)
    y, z = Loop (m, , x, n) <
        body = b (int64 i, bool on, float[2,3] s, float[2,3] t)
            => (bool go, float[2,3] p, float[2,3] q)
            { go = Identity(on) p = Identity(t) q = Sigmoid(s) }> }"""
    agrees(text, *({"m": np.array(m), "x": X} for m in (0, 1, 2, 5)))


@pytest.mark.parametrize(
    ("body", "copies"),
    [
        ("e = Mul(s, h) t = Add(e, x) u = Neg(v)", 0),
        ("t = Softmax(s) u = Add(v, t)", 1),  # one reads all of what the other writes over
        ("t = Sigmoid(s) e = Mul(s, s) d = Softmax(e) u = Mul(d, v)", 2),
        ("t = Add(v, h) u = Mul(s, h)", 1),
        ("t = Softmax(v) u = Softmax(t)", 0),
        ("t = Softmax(v) u = Identity(t)", 1),
    ],
)
def test_what_is_carried_is_written_in_place(agrees: Agrees, body: str, copies: int) -> None:
    text = f"""(int64 m, float[2,3] x) => (float[2,3] y, float[2,3] z) <float h = {{0.5}}> {{
    n = Neg(x)
    y, z = Loop (m, , x, n) <
        body = b (int64 i, bool on, float[2,3] s, float[2,3] v)
            => (bool go, float[2,3] t, float[2,3] u) {{ go = Identity(on) {body} }}> }}"""
    made = agrees(text, *({"m": np.array(m), "x": X} for m in (0, 1, 5)))
    symbols = [step.symbol for step in made.steps if isinstance(step, plan.Call)]
    assert symbols[symbols.index("neoc_count") :].count("neoc_copy") == copies


def test_rows_of_a_long_loop(agrees: Agrees) -> None:
    text = """(float[2,3] x) => (float[2,3] y, float[200,2,3] r, int64[200] n)
    <int64 m = {200}> {
    y, r, n = Loop (m, , x) <
        body = b (int64 i, bool on, float[2,3] s)
            => (bool go, float[2,3] t, float[2,3] u, int64 k)
            { go = Identity(on) t = Sigmoid(s) u = Softmax(t) k = Add(i, i) }> }"""
    agrees(text, {"x": X}, {"x": -X})


def test_rows_until_a_condition_ends_the_loop(agrees: Agrees) -> None:
    """As many as there are iterations, which only the data decide; what reads them sees no more."""
    text = """(bool c, float[2,3] x, float most) => (float[2,3] y, float[n,2,3] r, float[2,3] s)
    <int64 m = {200}> {
    y, r = Loop (m, c, x) <
        body = b (int64 i, bool on, float[2,3] s) => (bool go, float[2,3] t, float[2,3] u)
            { t = Add(s, x) u = Neg(t) total = ReduceSum<keepdims=0>(t) go = Less(total, most) }>
    s = ReduceSum<keepdims=0>(r, zero) }"""
    text = text.replace("{200}", "{200}, int64[1] zero = {0}")
    ways = [(True, 1e30), (True, 40.0), (True, -99.0), (False, 1e30)]
    x = np.abs(X)
    feeds = [{"c": np.array(c), "x": x, "most": np.array(m, np.float32)} for c, m in ways]
    agrees(text, *feeds)


def test_a_loop_over_what_was_chosen(agrees: Agrees) -> None:
    text = """(bool[8] m, float[2,3] x) => (float[n,2,3] r) <int64 zero = {0}> {
    k = NonZero(m) s = Shape<start=1>(k) n = Gather(s, zero)
    y, r = Loop (n, , x) <
        body = b (int64 i, bool on, float[2,3] s) => (bool go, float[2,3] t, float[2,3] u)
            { go = Identity(on) t = Add(s, x) u = Neg(t) }> }"""
    agrees(text, *({"m": np.arange(8) < n, "x": X} for n in (0, 3, 8)))


def test_branches_in_loops_in_branches(agrees: Agrees) -> None:
    text = """(bool c, bool d, int64 m, float[2,3] x) => (float[2,3] y) {
    z = Sigmoid(x)
    y = If (c) <
        then_branch = t () => (float[2,3] u) { u = Loop (m, d, x) <
            body = b (int64 i, bool on, float[2,3] s) => (bool go, float[2,3] s2)
                { go = Identity(on) f = Cast<to=1>(i)
                  s2 = If (d) <
                    then_branch = p () => (float[2,3] q) { q1 = Add(s, z) q = Add(q1, f) },
                    else_branch = r () => (float[2,3] q2) { q2 = Neg(s) }> }> },
        else_branch = e () => (float[2,3] v) { v = If (d) <
            then_branch = g1 () => (float[2,3] w) { w = Mul(x, z) },
            else_branch = g2 () => (float[2,3] w2) { w2 = Identity(x) }> }> }"""
    feeds = [{"c": np.array(c), "d": np.array(d), "m": np.array(4), "x": X} for c, d in WAYS]
    agrees(text, *feeds)


@pytest.mark.parametrize("turned", [0, 1])
def test_a_long_scan(agrees: Agrees, turned: int) -> None:
    text = f"""(float[200,3] x, float[3] s) => (float[3] y, float[3,200] r) {{
    y, r = Scan <num_scan_inputs=1, scan_input_directions=[{turned}], scan_output_axes=[1],
        scan_output_directions=[{1 - turned}],
        body = b (float[3] a, float[3] e) => (float[3] o, float[3] p)
            {{ o = Add(a, e) p = Mul(o, e) }}> (s, x) }}"""
    agrees(text, {"x": ROWS, "s": ROWS[0]})


def test_branches_read_sequences(agrees: Agrees) -> None:
    text = """(bool c, float[2,3] x) => (float[2,3] y) <int64 one = {1}> {
    n = Neg(x) s = SequenceConstruct(x, n)
    y = If (c) <
        then_branch = t () => (float[2,3] u) { a = SequenceAt(s, one) u = Sigmoid(a) },
        else_branch = e () => (float[2,3] v) { b = SequenceAt(s, one) v = Mul(b, x) }> }"""
    agrees(text, *({"c": np.array(c), "x": X} for c in (True, False)))


def test_old_values_are_rows_and_change_places(agrees: Agrees) -> None:
    text = """(int64 m, float[2,3] x) => (float[2,3] y, float[2,3] z, float[200,2,3] r)
    <int64 k = {200}> {
    n = Neg(x)
    y, z, r = Loop (k, , x, n) <
        body = b (int64 i, bool on, float[2,3] s, float[2,3] t)
            => (bool go, float[2,3] p, float[2,3] q, float[2,3] row)
            { go = Identity(on) p = Identity(t) q = Identity(s) row = Identity(t) }> }"""
    agrees(text, {"m": np.array(1), "x": X})


def test_a_value_is_given_twice(agrees: Agrees) -> None:
    """ONNX Runtime 1.32 gives zeros for one of the two."""
    text = """(bool c, float[2,3] x) => (float[2,3] y, float[2,3] z) {
    y, z = If (c) <
        then_branch = t () => (float[2,3] u, float[2,3] u) { u = Softmax(x) },
        else_branch = e () => (float[2,3] k, float[2,3] l) { k = Neg(x) l = Mul(k, x) }> }"""
    agrees(text, *({"c": np.array(c), "x": X} for c in (True, False)), standard=True)


def test_narrow_types_in_regions(agrees: Agrees) -> None:
    text = """(bool c, int64 m, float[2,3] x) => (float[2,3] y, float[2,3] z)
    <float quarter = {0.25}, bool yes = {1}> {
    h = Cast<to=16>(x)
    step = Cast<to=16>(quarter)
    s = Loop (m, yes, h) <
        body = b (int64 i, bool on, bfloat16[2,3] s) => (bool go, bfloat16[2,3] t)
            { go = Identity(on) t = Add(s, step) }>
    y = Cast<to=1>(s)
    e = If (c) <
        then_branch = t () => (bfloat16[2,3] u) { u = Identity(s) },
        else_branch = e () => (bfloat16[2,3] v) { v = Neg(h) }>
    z = Cast<to=1>(e) }"""
    ways = [(True, 0), (True, 7), (False, 2)]
    agrees(text, *({"c": np.array(c), "m": np.array(m), "x": X} for c, m in ways), standard=True)


def test_convolutions_of_branches_have_layouts_of_their_own(agrees: Agrees) -> None:
    weight = ", ".join(str((n * 7 % 13 - 6) / 8) for n in range(64))
    text = f"""(bool c, float[1,8,5,5] x) => (float[1,8,5,5] y)
    <float[8,8,1,1] w = {{{weight}}}> {{
    a = Conv(x, w)
    b = If (c) <
        then_branch = t () => (float[1,8,5,5] u) {{ p = Conv(a, w) u = Relu(p) }},
        else_branch = e () => (float[1,8,5,5] v) {{ v = Add(a, x) }}>
    y = Conv(b, w) }}"""
    image = np.linspace(-1, 1, 200, dtype=np.float32).reshape(1, 8, 5, 5)
    agrees(text, *({"c": np.array(c), "x": image} for c in (True, False)))
