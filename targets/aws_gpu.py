"""AWS's GPUs and accelerator chips: names that are known and refused, each with its reason."""

_NO_GPU = (
    "{0} is an NVIDIA {1} GPU ({2}), and neoc does not generate CUDA code yet; "
    'compile for the CPU of its host instead: "{3}".'
)
_VENDOR = (
    "{0} needs the vendor toolchain {1}, which neoc does not contain; "
    'compile for a CPU instance instead, such as "ml_c5".'
)

REFUSED = {
    "ml_p2": _NO_GPU.format("ml_p2", "K80", "sm_37, last served by CUDA 11", "ml_m4"),
    "ml_p3": _NO_GPU.format("ml_p3", "V100", "sm_70", "ml_m4"),
    "ml_g4dn": _NO_GPU.format("ml_g4dn", "T4", "sm_75", "ml_c5"),
    "ml_inf1": _VENDOR.format("ml_inf1", "AWS Neuron (neuron-cc)"),
    "ml_inf2": _VENDOR.format("ml_inf2", "AWS Neuron (neuronx-cc)"),
    "ml_trn1": _VENDOR.format("ml_trn1", "AWS Neuron (neuronx-cc)"),
    "ml_eia2": _VENDOR.format("ml_eia2", "Amazon Elastic Inference compiler"),
}
