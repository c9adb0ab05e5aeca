"""neoc compiles a trained model for a device: one model in, one artifact out.

    request -> fetch -> unpack -> frontend -> lower -> tune -> build -> plan -> link -> verify
            -> package -> upload

compiler/driver.py is that line; every other module is one of its stages or the door to it.
"""

from compiler.artifact import Artifact
from compiler.errors import ClientError, CompileError, ServerError
from compiler.request import CompileRequest

__all__ = ["Artifact", "ClientError", "CompileError", "CompileRequest", "ServerError"]
