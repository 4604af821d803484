"""How TensorFlow's Erfc, which ConvNeXt's GELU is made of, is said in ONNX: tf2onnx does not know it."""

from typing import Any

import numpy as np
from tf2onnx.handler import tf_op


@tf_op("Erfc")
class Erfc:
    """1 - erf(x)."""

    @classmethod
    def version_9(cls, ctx: Any, node: Any, **_: Any) -> None:  # noqa: ANN401
        """Put the two ONNX nodes in the place of `node`, as tf2onnx asks a handler to."""
        [output], [shape], [kind] = node.output, node.output_shapes, node.output_dtypes
        ctx.remove_node(node.name)
        erf = ctx.make_node("Erf", node.input, name=f"{node.name}_erf", shapes=[shape], dtypes=[kind])
        one = ctx.make_const(f"{node.name}_one", np.array(1, np.float32))
        ctx.make_node("Sub", [one.output[0], erf.output[0]], outputs=[output], shapes=[shape], dtypes=[kind])
