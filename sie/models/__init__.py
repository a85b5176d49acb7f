"""AtomSets and its Set2Set readout, initial values, weight files.

Import from the modules: `atomsets` and `set2set` bring TensorFlow with them, the others do not.
"""
