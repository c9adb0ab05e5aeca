"""Our passes over Relax, one a file: module in, module out, "main" is one dataflow block."""
