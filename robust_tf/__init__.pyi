from .attacks.apgd import APGD as APGD
from .attacks.auto_attack import AutoAttack as AutoAttack
from .attacks.fab import FAB as FAB
from .attacks.pgd import PGD as PGD
from .attacks.square import Square as Square
from .errors import UserError as UserError
from .evaluation.robust_accuracy import RobustAccuracy as RobustAccuracy
from .evaluation.robust_accuracy import robust_accuracy as robust_accuracy
from .threat_model import ThreatModel as ThreatModel

__version__: str
