"""The faces: what each package exports, lazily, with types."""

import importlib
import os
import pathlib
import subprocess
import sys

import keras
import pytest

from robust_tf.errors import UserError
from robust_tf.lazy import lazy

ROOT = pathlib.Path(__file__).parents[1]
FACES = {
    "robust_tf": {
        *("APGD", "AutoAttack", "FAB", "PGD", "RobustAccuracy", "Square", "ThreatModel"),
        *("UserError", "robust_accuracy"),
    },
    "robust_tf.attacks": {
        *("APGD", "Attack", "AutoAttack", "CleverhansAttack", "FAB", "Momentum", "Objective"),
        *("NoisyFGSM", "PGD", "Square", "get"),
    },
    "tla_tf": {
        *("AdversarialLogitPairing", "AdversarialTraining", "ClassifierDefense", "Mart"),
        *("NegativeSelection", "Trades", "TripletAdversarial", "Undefended"),
    },
    "hm_tf": {
        *("AntiCollapseTriplet", "EmbeddingShiftedTriplet", "HardnessManipulation"),
        *("MetricDefense", "MinMax", "NoDefense", "PairedBatches", "RobustRetrieval"),
        *("SuppressingEmbeddingShift", "robust_retrieval"),
    },
}
IMPORT = (
    f"import sys, {', '.join(FACES)}; assert robust_tf.__version__; "
    "assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)"
)
SNIPPET = """
import hm_tf
from robust_tf import PGD, AutoAttack, ThreatModel, attacks, robust_accuracy
from robust_tf.attacks import Momentum, get
from tla_tf import NegativeSelection, TripletAdversarial

def user(network: object, x: object, y: object) -> float:
    attack = PGD(eps="8/255", norm="l2", steps=20, momentum=Momentum(0.9))
    eps: float = attack.threat_model.eps
    attack(network, x, y, seed=1, batch_size=10)
    get("pgd20", ThreatModel("8/255"))(network, x, y)
    negatives = NegativeSelection("random")
    model = TripletAdversarial(network, attack=attack, negatives=negatives, input_range=(0, 255))
    model.compile("adam")
    hm_tf.HardnessManipulation(network, source="softhard", destination="lga", ics=0.5)
    images, labels = hm_tf.PairedBatches(x, y, 8)[0]
    recall: float = hm_tf.robust_retrieval(network, x, y, attacks="ES", eps=eps).recall
    found = robust_accuracy(model, x, y, attack=[AutoAttack(eps=eps), "pgd20"], eps=eps)
    low, high = found.interval
    return low + found.accuracy + found.attacks["pgd20"].mean()

PGD(eps="8/255", step=20)
TripletAdversarial(None, margin="large")
attacks.DeepFool
robust_accuracy(None, None, None).worst
"""
MISTAKES = [
    'Unexpected keyword argument "step"',
    'Argument "margin" to "TripletAdversarial" has incompatible type "str"',
    "Module has no attribute",
    '"RobustAccuracy" has no attribute "worst"',
]


def test_importing_the_packages_imports_no_tensorflow():
    assert subprocess.run([sys.executable, "-c", IMPORT], cwd=ROOT).returncode == 0


def test_another_backend_of_keras_is_refused_in_one_line(monkeypatch):
    *_, get, _ = lazy("robust_tf", str(ROOT / "robust_tf" / "__init__.py"))
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(UserError, match="Keras runs on torch; .* set KERAS_BACKEND=tensorflow"):
        get("PGD")


@pytest.mark.parametrize("name", FACES)
def test_the_list_of_exported_names(name):
    package = importlib.import_module(name)
    assert set(package.__all__) == FACES[name] <= set(dir(package))
    for exported in package.__all__:
        assert getattr(package, exported).__name__ == exported
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        package.Nothing


def test_mypy_finds_no_mistake_but_those_of_a_user(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "user.py").write_text(SNIPPET)
    checked = "robust_tf", "tla_tf", "hm_tf", tmp_path / "user.py"
    command = [sys.executable, "-m", "mypy", "--config-file=setup.cfg", f"--cache-dir={os.devnull}"]
    done = subprocess.run([*command, *checked], cwd=ROOT, capture_output=True, text=True)
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(errors) == len(MISTAKES), done.stdout + done.stderr
    for line, mistake in zip(errors, MISTAKES):
        assert mistake in line
