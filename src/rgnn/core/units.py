"""Conversion factors, in one place. Inside: eV, Å, fs, amu, µS. Wavefunctions: Ha, bohr."""

BOHR_IN_ANGSTROM = 0.529177210903
"""One bohr [Å] (CODATA 2018)."""

HARTREE_IN_EV = 27.211386245988
"""One hartree [eV] (CODATA 2018)."""

EV_PER_A3_IN_GPA = 160.21766208
"""One eV/Å³ [GPa]."""

MEV_PER_EV = 1000.0
