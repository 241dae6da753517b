"""Pairs, triplets, their hardness, and the destinations of hardness manipulation.

The choices of the command line stand here, free of TensorFlow: --help does not wait for it.
"""

# Name of a sampler -> the letter that HM prints for it.
SYMBOLS = {"random": "R", "semihard": "M", "softhard": "S", "distance": "D", "hardest": "H"}
SAMPLING_MODES = ("fixed", "compat")
# Members of the sextuplet (a, p, n, a~, p~, n~) in the places of anchor, positive and negative. The
# first is the paper's, the others are the alternatives (1) to (5) of its supplement B.4 III.
ICS_TRIPLETS = ("a,a~,p", "a,a~,p~", "a,p,n", "p,p~,a", "a,a~,n~", "a,p,n~")
