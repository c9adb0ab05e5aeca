"""What control flow leaves of itself where the graph says enough, and what is refused."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model, ModelError

Load = Callable[..., Model]
BODY = "b (int64 i, bool on, float[3] a) => (bool go, float[3] o, float[3] row)"
STEP = "{ go = Identity(on) o = Add(a, x) row = Mul(o, x) }"


def looped(step: str) -> str:
    loop = f"Loop (m, , x) <body={BODY}{step}>"
    return f"g (float[3] x) => (float[] y, float[] r) {{ y, r = {loop} }}"


def functions(model: Model) -> set[str]:
    return {str(v.name_hint) for v in model.module.get_global_vars()}


@pytest.mark.parametrize("taken", [True, False])
def test_a_known_condition_leaves_one_branch(agrees: Load, taken: bool) -> None:
    model = agrees(
        """g (float[3] x) => (float[3] y) { y = If (c) <
        then_branch = t () => (float[3] u) { u = Exp(x) },
        else_branch = e () => (float[3] v) { v = Neg(x) }> }""",
        c=np.array(taken),
    )
    assert functions(model) == {"main"}


@pytest.mark.parametrize("trips", [1, 4])
def test_a_short_loop_is_its_iterations(agrees: Load, trips: int) -> None:
    text = (
        f"g (float[3] x) => (float[] y, float[] r) {{ y, r = Loop (m, , x) <body={BODY}{STEP}> }}"
    )
    assert functions(agrees(text, m=np.array(trips))) == {"main"}


def test_an_end_that_is_known_ends_the_iterations(agrees: Load) -> None:
    step = "{ go = Less(i, two) o = Add(a, x) row = Mul(o, x) }"
    text = (
        f"g (float[3] x) => (float[] y, float[] r) {{ y, r = Loop (m, , x) <body={BODY}{step}> }}"
    )
    model = agrees(text, m=np.array(9), two=np.array(2))
    assert model.signature.outputs[1].shape == (3, 3)


def test_what_grows_is_unrolled(agrees: Load) -> None:
    body = "b (int64 i, bool on, float[] a) => (bool go, float[] o)"
    step = "{ go = Identity(on) o = Concat<axis=0>(a, x) }"
    text = f"g (float[3] x) => (float[] y) {{ y = Loop (m, , x) <body={body}{step}> }}"
    assert agrees(text, m=np.array(100)).signature.outputs[0].shape == (303,)


def test_a_loop_that_fills_a_sequence_is_unrolled(agrees: Load) -> None:
    body = "b (int64 i, bool on, seq(float[3]) a) => (bool go, seq(float[3]) o)"
    step = "{ go = Identity(on) o = SequenceInsert(a, x) }"
    text = f"""g (float[3] x) => (float[] y) {{ e = SequenceEmpty()
        s = Loop (m, , e) <body={body}{step}> y = ConcatFromSequence<axis=0>(s) }}"""
    assert agrees(text, m=np.array(100)).signature.outputs[0].shape == (300,)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("turned", [0, 1])
def test_a_short_scan_is_its_iterations(agrees: Load, axis: int, turned: int) -> None:
    attributes = f"num_scan_inputs=1, scan_input_directions=[{turned}], scan_output_axes=[{axis}]"
    body = "b (float[3] a, float[3] e) => (float[3] o, float[3] r) { o = Add(a, e) r = Mul(o, e) }"
    text = f"Scan <{attributes}, scan_output_directions=[{1 - turned}], body={body}> (s, x)"
    model = agrees(f"g (float[4,3] x, float[3] s) => (float[] y, float[] z) {{ y, z = {text} }}")
    assert functions(model) == {"main"}


@pytest.mark.parametrize("turned", [0, 1])
def test_a_scan_of_old_takes_a_batch(agrees: Load, turned: int) -> None:
    body = "b (float[3] a, float[3] e) => (float[3] o, float[3] r) { o = Add(a, e) r = Mul(o, e) }"
    text = f"Scan <num_scan_inputs=1, directions=[{turned}], body={body}> (, s, x)"
    agrees(f"g (float[2,4,3] x, float[2,3] s) => (float[] y, float[] z) {{ y, z = {text} }}", 8)


def test_what_is_only_known_at_run_time_stays(load: Load) -> None:
    text = (
        f"g (float[3] x) => (float[] y, float[] r) {{ y, r = Loop (m, , x) <body={BODY}{STEP}> }}"
    )
    model = load(text, m=np.array(1000))
    assert functions(model) == {"main", "region_0"}
    assert model.signature.outputs[1].shape == (1000, 3)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            """(bool c, float[3] x) => (float[] y) { y = If (c) <
            then_branch = t () => (float[3] u) { u = Exp(x) },
            else_branch = e () => (int64[1] v) { v = Shape(x) }> }""",
            r"its branches give 'u' as float32\[3\] and as int64\[1\]: these must agree",
        ),
        (
            f"(int64 m, float[3] x) => (float[] y, float[] r) "
            f"{{ y, r = Loop (m, , x) <body={BODY}{STEP}> }}",
            r"(?s)'r' is as long as there are iterations: their number must be a constant"
            r".*give it in DataInputConfig.*\{\"m\": \{\"value\": 1\}\}",
        ),
        (
            f"(float[3] x) => (float[] y, float[] r) {{ y, r = Loop (, , x) <body={BODY}{STEP}> }}",
            "'r' is as long as there are iterations: their number needs a limit",
        ),
        (
            """(bool c, float[3] x) => (int64[] y) { y = If (c) <
            then_branch = t () => (int64[] u) { u = NonZero(x) },
            else_branch = e () => (int64[] v) { z = Neg(x) v = NonZero(z) }> }""",
            "its graphs make a value of a size that only the data decide",
        ),
        (
            """(int64 m, float[3] x) => (float[] y) { y = Loop (m, , x) <
            body = b (int64 i, bool on, float[] a) => (bool go, float[] o)
            { go = Identity(on) o = Concat<axis=0>(a, x) }> }""",
            r"carries 'a' as float32\[3\] into an iteration and as float32\[6\] out of it",
        ),
        (
            """(bool c, float[3] x) => (float[] y) { s = If (c) <
            then_branch = t () => (seq(float[3]) u) { u = SequenceConstruct(x, x) },
            else_branch = e () => (seq(float[3]) v) { v = SequenceConstruct(x) }>
            y = ConcatFromSequence<axis=0>(s) }""",
            "'u' is a sequence .* must be a constant",
        ),
        (
            """(int64 m, float[3] x) => (float[] y) { e = SequenceEmpty() s = Loop (m, , e) <
            body = b (int64 i, bool on, seq(float[3]) a) => (bool go, seq(float[3]) o)
            { go = Identity(on) o = SequenceInsert(a, x) }>
            y = ConcatFromSequence<axis=0>(s) }""",
            "'a' is a sequence .* must be a constant",
        ),
        (
            """(bool c, float[3] x) => (float[] y) { y = If (c) <
            then_branch = t () => (float[3] u) { u = Teapot(x) },
            else_branch = e () => (float[3] v) { v = Neg(x) }> }""",
            "'Teapot'",
        ),
    ],
)
def test_refusals(load: Load, text: str, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        load(f"g {text}")
