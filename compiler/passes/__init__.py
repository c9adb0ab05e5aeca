"""Our passes over Relax, one a file: module in, module out, "main" is one dataflow block.

Every function of a module goes through each as the main of its own; only fuse sees them together.
"""
