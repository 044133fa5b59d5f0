"""The pipeline's own TFX components."""

from pipeline.components.atomic_pusher import AtomicPusherExecutor
from pipeline.components.blessed_model import LatestOtherBlessedModel
from pipeline.components.validation_gate import ValidationGate
from pipeline.components.verified_copy import VerifiedCopyExecutor

__all__ = [
    "AtomicPusherExecutor",
    "LatestOtherBlessedModel",
    "ValidationGate",
    "VerifiedCopyExecutor",
]
