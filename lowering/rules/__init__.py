"""How each way of each card is lowered: one file a family, as the cards in ``coverage_db/ops``."""
