"""Everything that touches a model: encoding, serving, training, quantisation and evaluation."""
