"""Forces in motion: calculator, dynamics, observables."""
