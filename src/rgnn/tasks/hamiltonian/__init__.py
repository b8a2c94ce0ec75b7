"""DFT Hamiltonians: blocks between atoms, learnt in the frame of each bond."""
