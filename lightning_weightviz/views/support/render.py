"""From a scene to a batch: runs the views, each on its own, so that one that fails takes no other with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lightning_weightviz.artifacts import Animation, Artifact, Batch
from lightning_weightviz.run.threads import Spent, quiet_pool
from lightning_weightviz.views import VIEWS, Scene


@dataclass(frozen=True)
class Rendered:
    """What came of a scene.

    Attributes:
        batch: For the sinks.
        errors: What each view that failed raised, by its name.
    """

    batch: Batch
    errors: dict[str, Exception]

    def whole(self) -> Batch:
        """The batch, where a part of it is of no use; raises what the first view that failed raised."""
        for error in self.errors.values():
            raise error
        return self.batch


def render(
    scene: Scene,
    views: Sequence[str],
    *,
    prefix: str = "",
    extra: Sequence[Artifact] = (),
    spent: Spent | None = None,
    keep: Callable[[Artifact], bool] = lambda artifact: True,
) -> Rendered:
    """Draws the scene.

    Args:
        scene: What to draw.
        views: Names of views.
        prefix: Put in front of every tag.
        extra: Artifacts that come from no view.
        spent: Is told of the processor time of the thread that compares and encodes films; not of this one's.
        keep: Which artifacts to take.
    """
    artifacts: list[Artifact] = []
    errors: dict[str, Exception] = {}
    # While pictures are drawn, the classes are compared and films encoded, which sinks would else do on the training
    # thread.
    counting = (spent or Spent()).counting
    with quiet_pool(1, "weightviz-render") as meanwhile:
        for pairs in scene.pairs:
            # A thread is not begun for what a rule has asked for already.
            if not pairs.is_done:
                meanwhile.submit(counting()(pairs.result))

        def take(artifact: Artifact) -> None:
            artifacts.append(replace(artifact, tag=prefix + artifact.tag) if prefix else artifact)
            if isinstance(artifacts[-1], Animation):
                meanwhile.submit(counting()(getattr), artifacts[-1], "gif")

        for artifact in extra:
            take(artifact)
        for name in views:
            try:
                for artifact in VIEWS[name].draw(scene):
                    if keep(artifact):
                        take(artifact)
            except Exception as error:
                errors[name] = error
    snapshot = scene.snapshot
    return Rendered(Batch(snapshot.step, snapshot.epoch, artifacts, snapshot.repeat), errors)
