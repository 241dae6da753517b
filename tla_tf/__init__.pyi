from .defenses.adversarial_logit_pairing import AdversarialLogitPairing as AdversarialLogitPairing
from .defenses.adversarial_training import AdversarialTraining as AdversarialTraining
from .defenses.classifier_defense import ClassifierDefense as ClassifierDefense
from .defenses.mart import Mart as Mart
from .defenses.negatives import NegativeSelection as NegativeSelection
from .defenses.trades import Trades as Trades
from .defenses.triplet_adversarial import TripletAdversarial as TripletAdversarial
from .defenses.undefended import Undefended as Undefended
