"""The pipeline's own TFX components."""

from pipeline.components.atomic_pusher import AtomicPusherExecutor
from pipeline.components.blessed_model import BlessedModelInService
from pipeline.components.validation_gate import ValidationGate
from pipeline.components.verified_copy import VerifiedCopyExecutor

__all__ = [
    "AtomicPusherExecutor",
    "BlessedModelInService",
    "ValidationGate",
    "VerifiedCopyExecutor",
]
