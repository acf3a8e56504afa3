"""How a cell is measured: training, shared weights, tables; rewards."""
