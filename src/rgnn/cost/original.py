"""The authors' networks as workloads, to place the published gains in our bill.

Shapes are those of the published conductances; counts follow the published code, which only ever
reads forward (forces are a direct output, the kinetic energy a finite difference).
"""

from rgnn.cost.count import ArrayReads, Workload


def force(*, n_atoms: int = 192, n_neighbours: float = 21.3) -> Workload:
    """Return one structure of the force network: two layers over edges and triples of atoms."""
    edges = round(n_atoms * n_neighbours)
    triples = round(edges * n_neighbours)
    arrays = []
    for layer in (0, 1):
        for name, count, shapes in (
            ("node", edges, ((144, 36), (36, 144))),
            ("two-body", edges, ((144, 36), (36, 144))),
            ("three-body", triples, ((180, 90), (36, 180))),
        ):
            arrays += [ArrayReads(f"{name} {layer}", *shape, count, 0) for shape in shapes]
    trained = edges * (36 * 36 + 36 * 36 + 18 * 18 + 18 * 36) + triples * (90 * 36 + 36 * 36)
    return Workload("force", tuple(arrays), trained, 32 * 7 * n_atoms, n_atoms)


def hamiltonian(*, n_edges: int = 720, n_atoms: int = 18) -> Workload:
    """Return one graphene supercell of the Hamiltonian network: three layers over edges."""
    shapes = ((14, 56), (14, 56), (320, 56), (28, 320))
    arrays = [
        ArrayReads(f"layer {layer}", *shape, n_edges, 0) for layer in range(3) for shape in shapes
    ]
    subgraph = n_edges * 80  # edges of both atoms enter the last, trained layer
    trained = n_edges * (56 * 14 + 14 * 3 + 16 * 16 + 16 * 169) + subgraph * 31 * 16
    return Workload("Hamiltonian", tuple(arrays), trained, n_edges * 169 * 32, n_atoms)


def wavefunction(*, walkers: int = 1600, reads_per_walker: int = 13) -> Workload:
    """Return one batch of H₂ local energies: the streams at every point of the stencil."""
    singles, doubles = ((64, 32), *[(64, 444)] * 3), ((126, 4), (126, 126))
    points = walkers * reads_per_walker
    arrays = [ArrayReads("one-electron", *shape, 2 * points, 0) for shape in singles]
    arrays += [
        ArrayReads("two-electron", *shape, 4 * points, 0) for shape in (*doubles, doubles[1])
    ]
    trained = points * (2 * 64 * 32 + 16 * 8)
    return Workload("wavefunction", tuple(arrays), trained, walkers * 32 * 8, 2)


ORIGINAL = {"force": force, "Hamiltonian": hamiltonian, "wavefunction": wavefunction}
"""Tasks of the paper by the names its claims use."""
