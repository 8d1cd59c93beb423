"""The layers of FBNet (Wu et al. 2019, https://arxiv.org/abs/1812.03443), without their blocks."""

STEM = 16
WIDTHS = (16, 24, 32, 64, 112, 184, 352)
LAYERS = (1, 4, 4, 4, 4, 4, 1)  # in each stage
STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the first layer of a stage
