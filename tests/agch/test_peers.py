"""DJSRH and JDSH: targets and losses against loops over their formulas."""

import math
import statistics

import pytest
import torch
from made import clusters

from agch.batches import TrainingSet
from agch.model import Encoded
from agch.peers import DJSRH, JDSH, PEERS

ROWS, SIZE = 14, 4
INDEX = [9, 2, 13, 5]


def made_rows(seed=0):
    """Fourteen rows, three batches of four and two left over; row 5 has no tag."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(ROWS, 6, generator=generator)
    text = (torch.rand(ROWS, 9, generator=generator) < 0.4).float()
    text[5] = 0
    return TrainingSet(image, text, torch.zeros(ROWS, 4, dtype=torch.uint8), image)


def heads(seed=0):
    """What the encoders say of four rows."""
    image, text = 2 * torch.rand(2, SIZE, 8, generator=torch.Generator().manual_seed(seed)) - 1
    return Encoded(torch.zeros(SIZE, 1), torch.zeros(SIZE, 1), image, text)


def cosine(a, b):
    norms = math.hypot(*a) * math.hypot(*b)
    return sum(x * y for x, y in zip(a, b)) / norms if norms else 0.0


def shifted(features, index):
    """2 cos - 1 of all pairs of these rows, as lists."""
    rows = [features[i].tolist() for i in index]
    return [[2 * cosine(a, b) - 1 for b in rows] for a in rows]


def pairs(size):
    return [(i, j) for i in range(size) for j in range(size)]


def close(found, expected):
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=1e-5)


def loop_mse(a, b, target):
    """Mean over all pairs of (cos(a_i, b_j) - S_ij)^2"""
    a, b = a.tolist(), b.tolist()
    return statistics.mean(
        (cosine(a[i], b[j]) - float(target[i, j])) ** 2 for i, j in pairs(len(a))
    )


def loop_djsrh(rows, index):
    """S~ = .9 (2 cos_v - 1) + .1 (2 cos_t - 1); S = 1.5 [.6 S~ + .4 S~ S~' / m]"""
    image, text, m = shifted(rows.image, index), shifted(rows.text, index), len(index)
    mixed = [[0.9 * image[i][j] + 0.1 * text[i][j] for j in range(m)] for i in range(m)]
    diffused = [[sum(x * y for x, y in zip(a, b)) / m for b in mixed] for a in mixed]
    return [[1.5 * (0.6 * mixed[i][j] + 0.4 * diffused[i][j]) for j in range(m)] for i in range(m)]


def loop_joint(rows, index):
    """.5 Sv + .1 St + .4 of the mean of H and H', H_ij = cos(row i of Sv, row j of St)"""
    image, text, m = shifted(rows.image, index), shifted(rows.text, index), len(index)
    high = [[cosine(a, b) for b in text] for a in image]
    return [
        [
            0.5 * image[i][j] + 0.1 * text[i][j] + 0.4 * (high[i][j] + high[j][i]) / 2
            for j in range(m)
        ]
        for i in range(m)
    ]


def loop_fit(rows, size):
    """Smallest, low threshold, high threshold and largest similarity of pairs in whole batches."""
    seen = []
    for start in range(0, len(rows.image) - size + 1, size):
        joint = loop_joint(rows, range(start, start + size))
        seen += [joint[i][j] for i, j in pairs(size) if i != j]
    middle = statistics.median_low(seen)
    below, above = [s for s in seen if s <= middle], [s for s in seen if s >= middle]
    deviation = math.sqrt(statistics.mean((s - middle) ** 2 for s in below))
    scale = statistics.mean(s - middle for s in above)
    return min(seen), middle - 2 * deviation, middle + 4 * scale, max(seen)


def loop_jdsh(joint, lowest, low, high, highest):
    """1.47 w s, w = 1 + .1 exp(min - s) below low, 1 + .2 exp(s - max) above high, else 1"""

    def weight(s):
        if s < low:
            return 1 + 0.1 * math.exp(lowest - s)
        return 1 + 0.2 * math.exp(s - highest) if s > high else 1

    return [[1.47 * weight(s) * s for s in row] for row in joint]


def test_target_of_djsrh_in_numbers():
    # two rows: image cosine 0.8, text cosine 0; S~ is 1 on the diagonal and
    # .9 * .6 - .1 = .44 off it; S~ S~' / 2 is (1 + .1936) / 2 = .5968 and (.44 + .44) / 2 = .44;
    # S = 1.5 (.6 + .4 * .5968) = 1.25808 and 1.5 (.6 * .44 + .4 * .44) = .66
    image, text = torch.tensor([[2.0, 0.0], [0.4, 0.3]]), torch.eye(2)
    rows = TrainingSet(image, text, torch.zeros(2, 1), image)
    target = DJSRH(rows, 2).target(torch.arange(2))
    close(target, [[1.25808, 0.66], [0.66, 1.25808]])


@pytest.mark.parametrize("seed", range(3))
def test_target_of_djsrh_against_loops(seed):
    rows = made_rows(seed)
    close(DJSRH(rows, SIZE).target(torch.tensor(INDEX)), loop_djsrh(rows, INDEX))


def test_loss_of_djsrh_against_loops():
    encoded, target = heads(), torch.tensor(loop_djsrh(made_rows(), INDEX))
    v, t = encoded.image, encoded.text
    terms = DJSRH(made_rows(), SIZE).terms(target, encoded)
    within = loop_mse(v, v, target) + loop_mse(t, t, target)
    assert {name: float(term) for name, term in terms.items()} == pytest.approx(
        {"cross": loop_mse(v, t, target), "intra": 0.1 * within}, rel=1e-5
    )


@pytest.mark.parametrize("seed", range(3))
def test_joint_similarity_of_jdsh_against_loops(seed):
    rows = made_rows(seed)
    close(JDSH(rows, SIZE).joint(torch.tensor(INDEX)), loop_joint(rows, INDEX))


@pytest.mark.parametrize("seed", range(3))
def test_thresholds_of_jdsh_are_fitted_to_the_whole_batches_in_their_own_order(seed):
    rows = made_rows(seed)
    jdsh = JDSH(rows, SIZE)
    found = [float(x) for x in (jdsh.lowest, jdsh.low, jdsh.high, jdsh.highest)]
    assert found == pytest.approx(loop_fit(rows, SIZE), abs=1e-5)


@pytest.mark.parametrize("seed", [8, 67, 124])
def test_target_of_jdsh_against_loops_from_the_features_on(seed):
    rows = made_rows(seed)
    joint, fit = loop_joint(rows, INDEX), loop_fit(rows, SIZE)
    values = [s for row in joint for s in row]
    assert min(values) < fit[1] and max(values) > fit[2], "choose a seed with pairs in both tails"
    expected = loop_jdsh(joint, *fit)
    close(JDSH(rows, SIZE).target(torch.tensor(INDEX)), expected)


def test_pairs_of_jdsh_beyond_the_thresholds_are_pushed_outwards():
    # weights: 1 + .1 exp(0) at the lowest, more below it, 1 between the thresholds, 1 + .2 exp(0)
    # at the highest; times 1.47
    jdsh = JDSH(made_rows(), SIZE)
    jdsh.lowest, jdsh.low, jdsh.high, jdsh.highest = torch.tensor([-0.6, -0.5, 0.5, 0.9])
    jdsh.joint = lambda index: torch.tensor([[-0.6, -0.7], [0.3, 0.9]])
    more = 1 + 0.1 * math.exp(0.1)
    expected = [[-0.6 * 1.1 * 1.47, -0.7 * more * 1.47], [0.3 * 1.47, 0.9 * 1.2 * 1.47]]
    close(jdsh.target(torch.arange(2)), expected)


def test_loss_of_jdsh_against_loops():
    encoded, target = heads(), torch.tensor(loop_djsrh(made_rows(), INDEX))
    target[0, 1] += 1  # not symmetric, so that both orders of the modalities are told apart
    v, t = encoded.image, encoded.text
    terms = JDSH(made_rows(), SIZE).terms(target, encoded)
    within = loop_mse(v, v, target) + loop_mse(t, t, target)
    together = statistics.mean(cosine(a, b) for a, b in zip(v.tolist(), t.tolist()))
    expected = {
        "cross": loop_mse(v, t, target) + loop_mse(t, v, target),
        "intra": 0.1 * within,
        "pairs": -together,
    }
    assert {name: float(term) for name, term in terms.items()} == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", PEERS)
def test_codes_that_meet_the_target_lose_nothing_but_the_pairs_reward(name):
    # both modalities say the same, and the target is their cosines
    head = heads().image
    encoded = Encoded(head, head, head, head)
    unit = torch.nn.functional.normalize(head)
    terms = PEERS[name](made_rows(), SIZE).terms(unit @ unit.T, encoded)
    pairs_reward = float(terms.pop("pairs", torch.tensor(-1.0)))
    assert pairs_reward == pytest.approx(-1, rel=1e-6)
    assert [float(term) for term in terms.values()] == pytest.approx([0, 0], abs=1e-10)


@pytest.mark.parametrize("name", PEERS)
def test_target_is_symmetric_and_a_constant_of_the_batch(name):
    rows, index = clusters(), torch.tensor([3, 17, 20, 5, 9, 0, 8, 31])
    target = PEERS[name](rows, 8).target(index)
    torch.testing.assert_close(target, target.T)
    assert not target.requires_grad
    turned = PEERS[name](rows, 8).target(index.flip(0))
    torch.testing.assert_close(turned, target.flip(0, 1))


@pytest.mark.parametrize("name", PEERS)
def test_neither_labels_nor_inputs_of_the_encoder_enter_the_target(name):
    rows, index = made_rows(), torch.tensor(INDEX)
    other = rows._replace(label=1 - rows.label, image_input=torch.rand(ROWS, 2))
    assert torch.equal(
        PEERS[name](other, SIZE).target(index), PEERS[name](rows, SIZE).target(index)
    )


@pytest.mark.parametrize("name", PEERS)
def test_gradients_reach_both_modalities(name):
    encoded = Encoded(*(part.requires_grad_() for part in heads()))
    peer = PEERS[name](made_rows(), SIZE)
    sum(peer.terms(peer.target(torch.tensor(INDEX)), encoded).values()).backward()
    assert encoded.image.grad.count_nonzero() and encoded.text.grad.count_nonzero()
