"""Filters: what a layer answers to a face, by hand on ``Tiny``, and the command that draws it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facegallery.errors import ExplanationError, FaceChoiceNeeded
from facegallery.explanation.filters import outputs, strongest
from facegallery.explanation.layers import EMBEDDING, FILTER_LAYERS, output_of
from facegallery.explanation.visualization import Visualization
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.gallery.filters import N_SHOWN, FaceFilters, draw_filters, driven_words, face_filters
from facegallery.network import LAYERS, to_input
from tests.conftest import RunCli
from tests.tiny_network import GREEN, RED, Tiny, levels, n_hooks, quarters

CROP = quarters(RED, GREEN)


def test_the_outputs_of_a_layer_by_hand() -> None:
    """``Tiny``'s layer says how red and how green each quarter is."""
    network = Tiny()
    answers = outputs(network, "block8", CROP)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, np.stack(levels()), atol=1e-6)
    assert n_hooks(network) == 0


def test_the_strongest_filters_by_their_mean() -> None:
    """Largest mean first, not largest peak; equals by number; no more than there are."""
    answers = np.zeros((4, 2, 2), np.float32)
    answers[0] = 1, -9
    answers[2] = 2
    answers[3, 0, 0] = 7
    assert strongest(answers, 9) == (2, 3, 1, 0)
    assert strongest(np.zeros((3, 2, 2), np.float32), 2) == (0, 1)


class EndsAtItsLayer(Tiny):
    """Counts how often it came behind its layer."""

    n_behind = 0

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Count, and answer."""
        cells = self.block8(crops)
        self.n_behind += 1
        embeddings: torch.Tensor = super().forward(crops) + 0 * cells.sum()
        return embeddings


def test_nothing_behind_the_layer_is_computed() -> None:
    """The network stops at the layer that is looked at, and runs whole for the embedding and afterwards."""
    network = EndsAtItsLayer()
    output_of(network, "block8", to_input(CROP[None]))
    assert network.n_behind == 0
    embedding = output_of(network, EMBEDDING, to_input(CROP[None]))
    assert network.n_behind == 1
    assert torch.equal(embedding, Tiny()(to_input(CROP[None])))


class Around(Tiny):
    """Does not pass through its layer."""

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Answer nothing."""
        return crops.mean(dim=(2, 3))


def test_a_layer_that_cannot_be_looked_at_is_an_error() -> None:
    """An unknown layer lists the known ones; the embedding has no places; a layer that is not reached is said."""
    with pytest.raises(ExplanationError) as caught:
        outputs(Tiny(), "block9", CROP)
    assert all(name in str(caught.value) for name in ("'block9'", *FILTER_LAYERS, EMBEDDING))
    with pytest.raises(ExplanationError, match="no place in the face"):
        outputs(Tiny(), EMBEDDING, CROP)
    around = Around()
    with pytest.raises(ExplanationError, match="without passing through layer 'block8'"):
        outputs(around, "block8", CROP)
    assert n_hooks(around) == 0


def test_every_layer_can_be_looked_at(analyzer: FaceAnalyzer) -> None:
    """Each is in the network, in the order a crop passes them; the explained ones are among them with their grids."""
    places = [name for name, _ in analyzer.network.named_children()]
    assert sorted(FILTER_LAYERS, key=places.index) == list(FILTER_LAYERS)
    for layer, side in LAYERS.items():
        assert layer in FILTER_LAYERS
        assert outputs(analyzer.network, layer, CROP).shape[1:] == (side, side)
    assert outputs(analyzer.network, "conv2d_1a", CROP).shape == (32, 79, 79)


def test_a_filter_of_a_face_is_drawn_over_its_own_range(analyzer: FaceAnalyzer, sample_group: Path) -> None:
    """A sheet has the face and the strongest filters; one filter stands between the face and what drives it."""
    seen = face_filters(sample_group / "probe" / "ada-2.jpg", analyzer=analyzer, layer="conv2d_2b")
    assert seen.words() == "Face 1 of ada-2.jpg in layer conv2d_2b: 64 filters of 77x77 places."
    driven = Visualization("conv2d_2b", 3, seen.crop, 0.5, 2.0)
    sheet, one, alone = draw_filters(seen, None), draw_filters(seen, driven), draw_filters(None, driven)
    assert sheet.height > 4 * 320
    assert sheet.width == one.width + 344  # a column of four more than the three
    assert alone.height < one.height
    assert N_SHOWN == 15


def test_a_filter_that_answers_alike_everywhere_is_dark() -> None:
    """No range is no division by zero, and nothing bright."""
    seen = FaceFilters(Path("x.jpg"), 1, CROP, "block8", np.full((1, 2, 2), 3, np.float32))
    assert np.asarray(draw_filters(seen, None)).min() < 90  # ink or the dark tile
    words = driven_words(Visualization("block8", 0, CROP, 0.0, 0.0))
    assert words.startswith("Nothing was found that drives it")


def test_of_several_faces_one_must_be_chosen(analyzer: FaceAnalyzer, sample_group: Path) -> None:
    """The error names the option; a number takes that face."""
    group = sample_group / "group.jpg"
    with pytest.raises(FaceChoiceNeeded, match="--face N"):
        face_filters(group, analyzer=analyzer, layer="conv2d_1a")
    assert face_filters(group, analyzer=analyzer, layer="conv2d_1a", face_number=2).face_number == 2


def test_the_command_draws_sheets_and_filters(run_cli: RunCli, sample_group: Path, tmp_path: Path) -> None:
    """With a photo the sheet; with a filter what drives it; needs no gallery, and makes none."""
    probe, out = sample_group / "probe" / "ada-2.jpg", tmp_path / "filters.png"
    sheet = run_cli("filters", probe, "--layer", "repeat_2", "-o", out)
    assert (sheet.code, sheet.err) == (0, f"Written: {out}\n")
    with Image.open(out) as picture:
        size = picture.size
    one = run_cli("filters", "--layer", "conv2d_1a", "--filter", "5", "-o", out)
    assert one.code == 0
    with Image.open(out) as picture:
        assert picture.size[1] < size[1]
    assert not (tmp_path / "default-gallery").exists()


def test_the_command_says_what_was_asked_wrongly(run_cli: RunCli, sample_group: Path, tmp_path: Path) -> None:
    """Neither photo nor filter, and a face of no photo, are faults of usage; an unknown layer and filter errors."""
    probe, out = sample_group / "probe" / "ada-2.jpg", tmp_path / "x.png"
    assert run_cli("filters", "--layer", "block8", "-o", out).code == 2
    assert run_cli("filters", "--layer", "block8", "--filter", "1", "--face", "1", "-o", out).code == 2
    unknown = run_cli("filters", probe, "--layer", "logits", "-o", out)
    assert (unknown.code, "Choose one of: conv2d_1a" in unknown.err) == (1, True)
    missing = run_cli("filters", "--layer", "conv2d_1a", "--filter", "32", "-o", out)
    assert (missing.code, "filters 0 to 31" in missing.err) == (1, True)
    assert not out.exists()
