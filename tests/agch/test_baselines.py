"""The floor: ITQ and CCA against other ways to compute them, and what the codes can do."""

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import CCA

from agch.baselines import cca_itq, itq_rotation, random_outputs, unit_rows
from agch.errors import InputError
from agch.metrics import evaluate
from agch.codes import pack


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def views(rows=60, shared=3, seed=0):
    """(n, 5) and (n, 4) views, full rank; the first `shared` columns are noisy copies."""
    rng = np.random.default_rng(seed)
    image, text = rng.normal(size=(rows, 5)), rng.normal(size=(rows, 4))
    text[:, :shared] = image[:, :shared] + rng.normal(size=(rows, shared)) * [0.3, 0.6, 1.2]
    mixed = image @ rng.normal(size=(5, 5)), text @ rng.normal(size=(4, 4))
    return tuple(torch.from_numpy(view + 3) for view in mixed)


def canonical(image, text):
    """Unit variates of both views and their correlations, by QR (Bjorck and Golub 1973)."""
    bases = [np.linalg.qr(v - v.mean(axis=0))[0] for v in (image.numpy(), text.numpy())]
    left, correlation, right = np.linalg.svd(bases[0].T @ bases[1])
    size = len(correlation)
    return bases[0] @ left[:, :size], bases[1] @ right.T[:, :size], correlation


def classes(rows, seed, kinds=8):
    """(n, 16) image features and (n, 24) tags of eight latent kinds, and their labels."""
    rng, centres = np.random.default_rng(seed), np.random.default_rng(99)
    kind = np.arange(rows) % kinds
    image = 2 * centres.random((kinds, 16))[kind] + 0.5 * rng.random((rows, 16))
    often = np.where(centres.random((kinds, 24)) < 0.3, 0.8, 0.1)[kind]
    text = (rng.random((rows, 24)) < often).astype(np.float32)
    label = np.eye(kinds, dtype=np.uint8)[kind]
    return unit_rows(torch.from_numpy(image)), unit_rows(torch.from_numpy(text)), label


def quantisation_error(outputs, rotation):
    turned = outputs @ rotation
    return float((turned - torch.where(turned > 0, 1.0, -1.0)).square().sum())


def fit(image, text, bits=3, components=10, shrinkage=1e-12, iterations=50, seed=0):
    return cca_itq(image, text, bits, components, shrinkage, iterations, seeded(seed))


@pytest.mark.parametrize("iterations", [0, 1, 50])
def test_rotation_is_orthogonal(iterations):
    outputs = torch.randn(40, 6, generator=seeded(1)).double()
    rotation = itq_rotation(outputs, iterations, seeded())
    torch.testing.assert_close(rotation.T @ rotation, torch.eye(6).double())


def test_every_round_of_itq_lowers_the_quantisation_error():
    outputs = torch.randn(40, 6, generator=seeded(1)).double()
    error = [quantisation_error(outputs, itq_rotation(outputs, n, seeded())) for n in range(8)]
    assert error == sorted(error, reverse=True)
    assert error[-1] < 0.95 * error[0]


def test_itq_turns_a_rotated_square_back_to_its_signs():
    # four corners turned by 30 degrees: some rotation brings them back without error
    corners = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]]).double()
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    outputs = corners @ torch.tensor([[cos, sin], [-sin, cos]]).double()
    rotation = itq_rotation(outputs, 20, seeded())
    assert quantisation_error(outputs, rotation) == pytest.approx(0, abs=1e-12)


def test_outputs_are_rotated_canonical_variates_scaled_by_their_correlation():
    # with one rotation R for both: outputs = sqrt(n) * variates * correlation @ R
    image, text = views()
    x, y, correlation = canonical(image, text)
    maps = fit(image, text)
    scaled = [np.sqrt(len(image)) * v[:, :3] * correlation[:3] for v in (x, y)]
    outputs = [map_(view).numpy() for map_, view in zip(maps, (image, text))]
    rotation = np.linalg.lstsq(scaled[0], outputs[0], rcond=None)[0]
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(scaled[0] @ rotation, outputs[0], atol=1e-6)
    np.testing.assert_allclose(scaled[1] @ rotation, outputs[1], atol=1e-6)


def test_canonical_correlations_agree_with_sklearn():
    # the outputs' covariance is R' diag(correlation^2) R, so its eigenvalues are the squares
    image, text = views()
    variates = CCA(3, max_iter=5000, tol=1e-12).fit_transform(image.numpy(), text.numpy())
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(variates[0].T, variates[1].T)]
    outputs = fit(image, text)[0](image).numpy()
    found = np.sqrt(np.linalg.eigvalsh(outputs.T @ outputs / len(outputs)))[::-1]
    assert found == pytest.approx(expected, abs=1e-4)


def test_projection_of_the_mean_row_is_zero():
    image, text = views()
    for map_, view in zip(fit(image, text), (image, text)):
        assert map_(view.mean(0)).tolist() == pytest.approx([0] * 3, abs=1e-9)


def test_shrinkage_does_not_depend_on_the_scale_of_a_view():
    image, text = views()
    plain = fit(image, text, shrinkage=0.1)[0](image)
    scaled = fit(64 * image, text, shrinkage=0.1)[0](64 * image)
    torch.testing.assert_close(scaled, plain)


def test_shrinkage_pulls_the_outputs_towards_zero():
    image, text = views()
    sizes = [float(fit(image, text, shrinkage=s)[0](image).norm()) for s in (0.0, 0.1, 1.0)]
    assert sizes == sorted(sizes, reverse=True) and sizes[2] < 0.9 * sizes[0]


@pytest.mark.parametrize("components, there", [(10, 4), (3, 3)])
def test_more_bits_than_components_is_an_error_with_both_numbers(components, there):
    # the text view has 4 columns; fewer components may be asked for
    image, text = views()
    with pytest.raises(InputError, match=f"at least 5 .* for 5 bits, but only {there} are there"):
        fit(image, text, bits=5, components=components)
    assert fit(image, text, bits=3, components=3)[1](text).shape == (60, 3)


def test_components_are_counted_by_rank_not_by_columns():
    # ten rows span nine dimensions about their mean, however many columns there are
    image, text = torch.rand(2, 10, 30, generator=seeded())
    with pytest.raises(InputError, match="only 9 are there"):
        fit(image, text, bits=10, components=20)


def test_one_seed_gives_one_projection_and_another_seed_another():
    image, text = views()
    first, again, other = (fit(image, text, seed=seed) for seed in (0, 0, 1))
    for one, two in zip(first, again):
        assert torch.equal(one.weight, two.weight) and torch.equal(one.mean, two.mean)
    assert not torch.equal(first[0].weight, other[0].weight)


def test_codes_of_shared_classes_retrieve_better_than_random_codes():
    # eight kinds: a random ranking has a precision of about 1/8
    image, text, label = classes(160, seed=0)
    new_image, new_text, new_label = classes(40, seed=1)
    image_map, text_map = fit(image, text, bits=8, components=16, shrinkage=0.1)
    random = [pack(random_outputs(n, 8, seeded(n)).numpy()) for n in (40, 160)]
    by_method = {
        "i2t": [pack(image_map(new_image).numpy()), pack(text_map(text).numpy())],
        "t2i": [pack(text_map(new_text).numpy()), pack(image_map(image).numpy())],
        "random": random,
    }
    score = {
        name: evaluate(*codes, new_label, label).means("expected")["map"]
        for name, codes in by_method.items()
    }
    assert score["random"] < 0.25
    assert min(score["i2t"], score["t2i"]) > 0.5


def test_random_outputs_come_from_the_generator():
    assert random_outputs(3, 8, seeded()).shape == (3, 8)
    assert torch.equal(random_outputs(3, 8, seeded()), random_outputs(3, 8, seeded()))
    assert not torch.equal(random_outputs(3, 8, seeded()), random_outputs(3, 8, seeded(1)))
    share = (random_outputs(500, 8, seeded()) > 0).double().mean()
    assert float(share) == pytest.approx(0.5, abs=0.05)


def test_unit_rows_have_length_one_and_zero_rows_stay():
    # (3, 4) has length 5
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float32)
    assert unit_rows(rows).tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0.0, 0.0]]
    assert unit_rows(rows).dtype == torch.float64
