"""Random chains of ops, drawn, judged, and made smaller where the judgement does not hold."""
