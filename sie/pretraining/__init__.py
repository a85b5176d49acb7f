"""Pre-training on many computed crystals: metal or not, a large set to start from.

`sources.read_crystals`, `features.FeatureShards`, `training.pretrain`, `card`; who uses the
weights later needs none of this: `sie.models.pretrained`.
"""
