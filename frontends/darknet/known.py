"""Which sections and keys are known, and what each means to a network that does not learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from frontends.darknet import heads, images, weighted
from frontends.darknet.activations import ACTIVATIONS
from frontends.darknet.cfg import Section
from frontends.darknet.graph import Graph, Value

Layer = Callable[[Graph, Section, Value], Value]


@dataclass(frozen=True)
class Kind:
    """keys: read here. refused: change the answers where they are not 0."""

    layer: Layer
    keys: str = ""
    refused: str = ""
    output: bool = False


LAYERS = {
    "convolutional": Kind(
        weighted.convolutional,
        "filters size stride stride_x stride_y pad padding groups dilation activation "
        "batch_normalize cbn share_index flipped",
        "binary xnor bin_output antialiasing sway rotate stretch stretch_sway coordconv "
        "dontload dontloadscales",
    ),
    "connected": Kind(
        weighted.connected, "output activation batch_normalize", "dontload dontloadscales"
    ),
    "batchnorm": Kind(weighted.batchnorm, "", "dontload"),
    "shortcut": Kind(
        weighted.shortcut, "from activation weights_type weights_normalization alpha beta"
    ),
    "maxpool": Kind(
        images.maxpool,
        "size stride stride_x stride_y padding maxpool_depth out_channels",
        "antialiasing",
    ),
    "local_avgpool": Kind(images.local_avgpool, "size stride stride_x stride_y padding"),
    "avgpool": Kind(images.avgpool),
    "upsample": Kind(images.upsample, "stride scale"),
    "reorg": Kind(images.reorg, "stride reverse", "flatten extra"),
    "reorg3d": Kind(images.reorg3d, "stride reverse"),
    "crop": Kind(images.crop, "crop_height crop_width noadjust"),
    "normalization": Kind(images.normalization, "alpha beta kappa size"),
    "route": Kind(images.route, "layers groups group_id"),
    "scale_channels": Kind(images.scale_channels, "from scale_wh activation"),
    "sam": Kind(images.sam, "from activation"),
    "activation": Kind(images.activation, "activation"),
    "dropout": Kind(images.same),
    "cost": Kind(images.same, "scale"),
    "empty": Kind(images.same),
    "yolo": Kind(heads.yolo, "mask num classes scale_x_y new_coords", output=True),
    "region": Kind(heads.region, "num classes coords softmax background", "tree", output=True),
    "detection": Kind(heads.detection, "side classes num coords softmax", "reorg", output=True),
    "softmax": Kind(heads.softmax, "groups temperature spatial", "tree", output=True),
}
ALIASES = {
    "conv": "convolutional",
    "conn": "connected",
    "max": "maxpool",
    "avg": "avgpool",
    "local_avg": "local_avgpool",
    "lrn": "normalization",
    "soft": "softmax",
    "silence": "empty",
}
NET = "width height channels inputs scale"
# Of training, of the making of boxes, or of how Darknet itself runs: nothing to the answers here.
IGNORED = set(
    """
    batch subdivisions time_steps momentum decay learning_rate learning_rate_min max_batches
    max_epochs policy power step steps scales seq_scales gamma burn_in adam B1 B2 eps beta1 beta2
    seen max_crop min_crop flip blur gaussian_noise mixup cutmix mosaic mosaic_bound letter_box
    angle aspect saturation exposure hue center contrastive contrastive_jit_flip contrastive_color
    unsupervised label_smooth_eps resize_step attention adversarial_lr max_chart_loss ema_alpha
    loss_scale dynamic_minibatch optimized_memory workspace_size_limit_MB track augment_speed
    sequential_subdivisions sgdr_cycle sgdr_mult try_fix_nan weights_reject_freq equidistant_point
    badlabels_rejection_percentage num_sigmas_reject_badlabels use_cuda_graph notruth random
    stopbackward train_only_bn onlyforward dont_update burnin_update dontsave clip grad_centr dot
    assisted_excitation stream wait_stream probability dropblock dropblock_size_rel
    dropblock_size_abs type ratio smooth noobj thresh maxpool_zero_nonmax noloss shift anchors
    jitter resize rescore absolute bias_match classfix coord_scale object_scale noobject_scale
    class_scale mask_scale ignore_thresh truth_thresh iou_thresh iou_loss iou_thresh_kind
    iou_normalizer obj_normalizer cls_normalizer delta_normalizer uc_normalizer max_delta
    objectness_smooth focal_loss counters_per_class nms_kind beta_nms max map log sqrt forced
    show_details track_history_size sim_thresh dets_for_track dets_for_show track_ciou_norm
    embedding_layer
    """.split()
)


def kind(section: Section) -> str:
    return ALIASES.get(section.kind, section.kind)


def problems(sections: list[Section]) -> list[str]:
    """Everything in the layers that does not compile."""
    found = []
    for section in sections:
        if kind(section) not in LAYERS:
            found.append(f"line {section.line}: section [{section.kind}]")
            continue
        for key in LAYERS[kind(section)].refused.split():
            if section.text(key, "0") not in ("0", "0.0"):
                line, value = section.options[key]
                found.append(f"line {line}: {key}={value} of [{section.kind}]")
        if "activation" in section.options:
            line, value = section.options["activation"]
            if value not in ACTIVATIONS:
                found.append(f"line {line}: activation={value}")
    return found


def unknown(section: Section, keys: str) -> list[str]:
    """Darknet, too, goes on where it does not know a key."""
    known = set(keys.split())
    return [
        f"line {line}: key {key} of [{section.kind}] is unknown and does nothing"
        for key, (line, _) in section.options.items()
        if key not in known and key not in IGNORED
    ]
