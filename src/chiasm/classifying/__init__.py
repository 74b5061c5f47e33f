"""What is in a picture, among names a person gives: zero-shot classification with a CLIP. Section 3.1 of the paper.

Radford et al. 2021 (arXiv 2103.00020). It asks a CLIP and counts; it knows neither the command line nor training.
"""

from __future__ import annotations

from chiasm.classifying.classifier import DEFAULT_TEMPLATE, Classifier, Likelihood

__all__ = ["DEFAULT_TEMPLATE", "Classifier", "Likelihood"]
