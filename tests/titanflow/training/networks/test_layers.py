"""The blocks of networks, against what their equations promise."""

import pytest
import torch
from torch import nn

from titanflow.training.networks.layers import (
    CLIP,
    GatedResidualNetwork,
    GroupedLinear,
    InterpretableAttention,
    Standardise,
    VariableSelection,
    causal_mask,
)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(1)


def test_a_feature_is_seen_in_its_deviations_and_cut_where_it_is_wild() -> None:
    standardise = Standardise(torch.tensor([10.0, 0.0]), torch.tensor([2.0, 1.0]))
    assert standardise(torch.tensor([[13.0, 1e9]])).tolist() == [[1.5, CLIP]]


def test_a_value_that_is_not_a_number_stays_one() -> None:
    assert Standardise(torch.zeros(1), torch.ones(1))(torch.tensor([float("nan")])).isnan().all()


def test_a_grouped_layer_is_a_layer_of_its_own_for_each_variable() -> None:
    grouped = GroupedLinear(3, 4, 5)
    values = torch.randn(3, 7, 4)
    for variable in range(3):
        alone = nn.functional.linear(values[variable], grouped.weight[variable].T, grouped.bias[variable, 0])
        torch.testing.assert_close(grouped(values)[variable], alone)


def test_a_gated_residual_network_whose_gate_is_shut_lets_its_input_pass() -> None:
    network = GatedResidualNetwork(6, 6, 6)
    gate = network.gate.gate
    with torch.no_grad():
        gate.bias[6:] = -1e4
    values = torch.randn(5, 6)
    torch.testing.assert_close(network(values), network.gate.norm(values))


def test_a_grouped_residual_network_keeps_the_variables_apart() -> None:
    network = GatedResidualNetwork(4, 4, 4, variables=3)
    values = torch.randn(3, 5, 4)
    changed = values.clone()
    changed[1] += 1
    moved = (network(changed) - network(values)).abs().amax(dim=(1, 2))
    assert moved[0] == moved[2] == 0
    assert moved[1] > 0


def test_selection_weights_sum_to_one_at_every_bar() -> None:
    selected, weights = VariableSelection(5, 4, context=4)(torch.randn(5, 2, 6, 4), torch.randn(2, 1, 4))
    assert selected.shape == (2, 6, 4)
    assert weights.shape == (2, 6, 5)
    assert (weights > 0).all()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 6))


def test_selection_is_the_weighted_sum_of_what_each_variable_became() -> None:
    selection = VariableSelection(3, 4)
    embedded = torch.randn(3, 1, 1, 4)
    selected, weights = selection(embedded)
    each = selection.transform(embedded.reshape(3, 1, 4))[:, 0]
    torch.testing.assert_close(selected[0, 0], weights[0, 0] @ each)


def test_a_single_variable_is_selected_whole() -> None:
    _, weights = VariableSelection(1, 4)(torch.randn(1, 2, 3, 4))
    assert (weights == 1).all()


def test_the_causal_mask_hides_what_is_later_than_the_step_that_looks() -> None:
    assert causal_mask(2, 3).int().tolist() == [[0, 0, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]


def test_attention_sums_to_one_and_gives_hidden_positions_nothing() -> None:
    hidden = causal_mask(4, 3)
    keys = torch.randn(2, 7, 6)
    attended = InterpretableAttention(6, 2)(keys[:, 4:], keys, hidden)
    torch.testing.assert_close(attended.weights.sum(dim=-1), torch.ones(2, 3))
    assert (attended.weights[:, hidden] == 0).all()
    assert (attended.weights[:, ~hidden] > 0).all()


@pytest.mark.parametrize("changed", range(7))
def test_changing_a_later_position_changes_no_earlier_output_nor_weight(changed: int) -> None:
    attention = InterpretableAttention(6, 2)
    before, after = torch.randn(2, 7, 6).unbind(0)
    after = torch.where(torch.arange(7)[:, None] == changed, after, before)
    first = attention(before[None, 4:], before[None], causal_mask(4, 3))
    second = attention(after[None, 4:], after[None], causal_mask(4, 3))
    earlier = [step for step in range(3) if 4 + step < changed]
    assert torch.equal(first.values[:, earlier], second.values[:, earlier])
    assert torch.equal(first.weights[:, earlier], second.weights[:, earlier])
    assert not torch.equal(first.values[:, -1], second.values[:, -1])
