"""Why a container cannot start, with the reason that its status shows."""

from __future__ import annotations

from typing import ClassVar

from lab.errors import LabError


class ContainerError(LabError):
    """A container cannot be started now. `reason` appears as `kubectl get pods` shows it."""

    reason: ClassVar[str] = "RunContainerError"


class ImageUnknown(ContainerError):  # noqa: N818 -- named as the condition that it reports
    reason = "ErrImagePull"


class ImageNeverPulled(ContainerError):  # noqa: N818 -- named as the condition that it reports
    reason = "ErrImageNeverPull"


class ConfigError(ContainerError):
    """Something that the container refers to does not exist, or the node does not support what it asks for."""

    reason = "CreateContainerConfigError"


class SandboxError(ContainerError):
    """The pod's network or volumes could not be made."""

    reason = "ContainerCreating"
