"""Everything that is trained: streamed Gram matrices, Bayesian ridge, uncertainty."""
