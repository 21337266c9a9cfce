"""Weights of an earlier model as the first weights of a new one, for retraining day by day."""

from __future__ import annotations

import torch

from udfs.forecasting.models.networks.network_model import NetworkModel


def warm_weights(earlier: NetworkModel, new: NetworkModel) -> dict[str, torch.Tensor]:
    """The earlier model's weights in the new model's order of trait values.

    A value of a trait that both know keeps its embedding, whatever its code; a new item keeps the new model's. The
    scale of covariates stays the earlier model's, because its weights go with it.

    Raises:
        ValueError: the two differ in covariates, in traits, or in the shape of a layer.
    """
    for what in ("known_names", "trait_names"):
        if getattr(earlier, what) != getattr(new, what):
            raise ValueError(f"expected {what} {getattr(new, what)} to start from, found {getattr(earlier, what)}")
    old_weights, weights = earlier.module.state_dict(), dict(new.module.state_dict())
    if old_weights.keys() != weights.keys():
        raise ValueError(f"expected a {new.name} of {new.spec.layers} layers to start from, found {earlier.spec}")
    for name, weight in old_weights.items():
        if name.startswith("embeddings."):
            trait = int(name.split(".")[1])
            code_of = {value: code for code, value in enumerate(earlier.trait_values[trait])}
            both = [(k, code_of[v]) for k, v in enumerate(new.trait_values[trait]) if v in code_of]
            weight = _moved(weights[name], weight, both)
        if weight is None or weight.shape != weights[name].shape:
            raise ValueError(
                f"expected a network of the same shape to start from, found {name} of another; keep hidden, "
                "embedding, harmonics, periods, head and quantiles"
            )
        weights[name] = weight
    return weights


def _moved(new_VE: torch.Tensor, old_VE: torch.Tensor, both: list[tuple[int, int]]) -> torch.Tensor | None:
    """`new_VE` with the rows of known values from `old_VE`, None where widths differ; row 0 stands for the unknown."""
    if new_VE.shape[1] != old_VE.shape[1]:
        return None
    moved_VE = new_VE.clone()
    for new_code, old_code in both:
        moved_VE[new_code + 1] = old_VE[old_code + 1]
    return moved_VE
