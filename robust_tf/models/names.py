"""What embedding networks may be set to; free of TensorFlow, so that --help answers at once."""

BN_MODES = ("frozen", "live")
