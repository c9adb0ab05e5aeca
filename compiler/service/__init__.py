"""The job service: SageMaker's CompilationJob API, a store of jobs, and workers that run them.

    request -> app -> auth -> wire -> api -> store <- leases <- worker -> child (neoc compile)

The rest of the compiler knows nothing of it, and `neoc compile` needs none of its libraries.
"""
