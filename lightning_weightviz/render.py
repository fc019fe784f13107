"""From a scene to a batch: runs the views, each on its own, so that one that fails takes no other with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lightning_weightviz.artifacts import Animation, Artifact, Batch, Image
from lightning_weightviz.snapshot import Head
from lightning_weightviz.views import Scene, discover


@dataclass(frozen=True)
class Rendered:
    """What came of a scene.

    Attributes:
        batch: For the sinks.
        errors: What each view that failed raised, by its name.
    """

    batch: Batch
    errors: dict[str, Exception]


def render(
    scene: Scene,
    views: Sequence[str],
    *,
    prefix: str = "",
    extra: Sequence[Artifact] = (),
    head: Callable[[], Head | None] | None = None,
    keep: Callable[[Artifact], bool] = lambda artifact: True,
) -> Rendered:
    """Draws the scene.

    Args:
        scene: What to draw.
        views: Names of views.
        prefix: Put in front of every tag.
        extra: Artifacts that come from no view.
        head: Gives the head with its classes compared, which the scene's is not yet; None where nothing is missing.
        keep: Which artifacts to take.
    """
    artifacts: list[Artifact] = list(extra)
    errors: dict[str, Exception] = {}
    if head is not None:
        scene = replace(scene, snapshot=replace(scene.snapshot, head=head()))
    for name in views:
        try:
            for artifact in discover()[name](scene):
                if keep(artifact):
                    artifacts.append(artifact)
        except Exception as error:
            errors[name] = error
    artifacts = [replace(artifact, tag=prefix + artifact.tag) for artifact in artifacts]
    for artifact in artifacts:
        # Encoded here, in the background, rather than by each sink on the training thread.
        if isinstance(artifact, Image):
            _ = artifact.png
        elif isinstance(artifact, Animation):
            _ = artifact.gif
    return Rendered(Batch(scene.snapshot.step, scene.snapshot.epoch, artifacts), errors)
